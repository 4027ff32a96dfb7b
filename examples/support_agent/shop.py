"""The shop behind the support agent: its order book, its help pages, and the tools over them.

Everything about an order follows from its number, so that any process sees the same shop. A tool that can't do what it
is asked raises ``ShopError``: the message is for the model, the class names the failure in telemetry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FIRST_ORDER, LAST_ORDER = 1000, 1999
SHIPPING_CENTS = 495


class ShopError(Exception):
    """A tool refused; the message tells the model why."""


class OrderNotFound(ShopError):
    """No order has this number."""


class RefundRefused(ShopError):
    """More than the customer may get back."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order: its number (``A-1042``), what was paid for the goods in cents, and where its parcel is."""

    number: str
    total_cents: int
    parcel: str


def order(number: str) -> Order:
    """The order of this number, written in full; OrderNotFound for anything else."""
    match = re.fullmatch(r"A-(\d{4})", number)
    if match is None or not FIRST_ORDER <= int(match[1]) <= LAST_ORDER:
        raise OrderNotFound(f"there is no order {number!r}; order numbers look like A-1042")
    serial = int(match[1])
    parcels = ("at the depot", "out for delivery", "delivered", "waiting at the pick-up point")
    return Order(number, 1_500 + serial * 37 % 9_000, parcels[serial % len(parcels)])


def look_up_order(order_number: str) -> dict[str, Any]:
    """What was ordered and what may be refunded."""
    found = order(order_number)
    return {"order_number": found.number, "total_cents": found.total_cents, "refundable_cents": found.total_cents}


def issue_refund(order_number: str, amount_cents: int) -> dict[str, Any]:
    """Pays back the price of the goods, in full or in part; shipping is never refunded."""
    found = order(order_number)
    if amount_cents > found.total_cents:
        raise RefundRefused(f"{amount_cents} cents is more than the {found.number}'s goods cost")
    return {"order_number": found.number, "refunded_cents": amount_cents, "days": 3}


def track_parcel(order_number: str) -> dict[str, Any]:
    """Where the parcel is now."""
    found = order(order_number)
    return {"order_number": found.number, "parcel": found.parcel}


def change_address(order_number: str, address: str) -> dict[str, Any]:
    """Sends the parcel somewhere else."""
    found = order(order_number)
    return {"order_number": found.number, "address": address, "changed": True}


def search_help(question: str) -> dict[str, Any]:
    """The help page that fits a question best."""
    pages = {
        "invoice": "Invoices are under Account, Orders, Invoice. VAT numbers can be added for thirty days.",
        "warranty": "Goods have a warranty of two years. Keep the invoice; we send the label.",
        "voucher": "A voucher counts for one order and can't be paid out.",
    }
    words = question.lower()
    return {"page": next((text for word, text in pages.items() if word in words), pages["invoice"])}


TOOLS: dict[str, Callable[..., dict[str, Any]]] = {
    tool.__name__: tool for tool in (look_up_order, issue_refund, track_parcel, change_address, search_help)
}

_ORDER_NUMBER = {"type": "string", "description": "The order's number, like A-1042."}


def _schema(tool: Callable[..., Any], **properties: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.__name__,
            "description": tool.__doc__,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
        },
    }


TOOL_SCHEMAS: list[dict[str, Any]] = [
    _schema(look_up_order, order_number=_ORDER_NUMBER),
    _schema(
        issue_refund,
        order_number=_ORDER_NUMBER,
        amount_cents={"type": "integer", "description": "How much to pay back, in cents, without shipping."},
    ),
    _schema(track_parcel, order_number=_ORDER_NUMBER),
    _schema(
        change_address,
        order_number=_ORDER_NUMBER,
        address={"type": "string", "description": "Street, number, postcode and city."},
    ),
    _schema(search_help, question={"type": "string", "description": "The customer's question in a few words."}),
]


def call(name: str, arguments: str) -> str:
    """Runs a tool with the model's JSON arguments and returns its JSON result; ShopError if it refuses."""
    tool = TOOLS.get(name)
    if tool is None:
        raise ShopError(f"there is no tool {name!r}")
    try:
        values = json.loads(arguments)
    except ValueError as error:
        raise ShopError("the arguments are no JSON") from error
    try:
        return json.dumps(tool(**values))
    except TypeError as error:
        raise ShopError(f"{name} does not take these arguments") from error

"""Writes support tickets, one JSON object a line: the same seed, the same tickets.

Four kinds of task from ten customers (tenants) of very different size. Now and then a customer leaves out the ``A-`` of
an order number, and whoever asks for a refund often names what was paid with shipping, which is never refunded.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator

import shop

TENANTS = {
    "acme": 22,
    "birch": 16,
    "cobalt": 13,
    "dune": 11,
    "ember": 9,
    "fjord": 8,
    "grove": 7,
    "harbor": 6,
    "iris": 5,
    "juniper": 3,
}
TASKS = {"track_parcel": 40, "refund": 25, "change_address": 20, "how_to": 15}
SHORT_NUMBERS = 0.14
"""Share of tickets that write ``1042`` for ``A-1042``."""

PAID_WITH_SHIPPING = 0.6
"""Share of refund tickets that name the amount with shipping."""


def tickets(count: int, seed: int) -> Iterator[dict[str, str]]:
    """``count`` tickets; tasks and tenants are drawn by their weights."""
    draw = random.Random(seed)
    for serial in range(count):
        task = draw.choices(list(TASKS), list(TASKS.values()))[0]
        tenant = draw.choices(list(TENANTS), list(TENANTS.values()))[0]
        message = _message(task, draw)
        yield {"ticket": f"t{seed}-{serial:05d}", "tenant": tenant, "task": task, "message": message}


def _message(task: str, draw: random.Random) -> str:
    number = f"A-{draw.randint(shop.FIRST_ORDER, shop.LAST_ORDER)}"
    total = shop.order(number).total_cents
    written = number.removeprefix("A-") if draw.random() < SHORT_NUMBERS else number
    match task:
        case "track_parcel":
            ask = draw.choice(("Where is my parcel?", "It should be here since Monday.", "Any news of the delivery?"))
            return f"{ask} Order {written}."
        case "refund":
            why = draw.choice(("It arrived broken.", "I do not need it any more.", "It is not what I ordered."))
            paid = total + shop.SHIPPING_CENTS if draw.random() < PAID_WITH_SHIPPING else total
            return f"I want a refund of {paid / 100:.2f} EUR for order {written}. {why}"
        case "change_address":
            street = draw.choice(("Mill Lane", "Station Road", "Harbour Street", "Oak Avenue"))
            return f"Please send order {written} to {street} {draw.randint(1, 99)}, 1{draw.randint(1000, 9999)} Elmham."
        case _:
            about = draw.choice(("get an invoice with my VAT number", "use the warranty", "pay with a voucher"))
            return f"How do I {about}? (I looked for {draw.randint(2, 40)} minutes.)"


def main() -> None:
    """Prints the tickets."""
    parser = argparse.ArgumentParser(description="Write support tickets, one JSON object a line.")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for ticket in tickets(arguments.count, arguments.seed):
        print(json.dumps(ticket))


if __name__ == "__main__":
    main()

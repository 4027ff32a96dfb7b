"""The table of docs/settings.md, made from the settings themselves.

`python -m tests.docs.settings_table` writes it anew.
"""

import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, SecretStr

from flightdeck.models.described import descriptions
from flightdeck.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"


def rows(model=Settings, path=()):
    """(key, environment variable, default, meaning) of every setting, in the order of the file."""
    for name, field in model.model_fields.items():
        key = (*path, name)
        options = (field.annotation, *get_args(field.annotation))
        section = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if section is not None and field.default is not None:
            yield from rows(section, key)
            continue
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        if isinstance(default, bool):
            default = str(default).lower()
        shown = "" if default in (None, "", (), Path()) else str(default)
        meaning = " ".join(descriptions(model).get(name, "").replace("``", "`").split())
        yield ".".join(key), "FLIGHTDECK_" + "__".join(key).upper(), shown, meaning


def table():
    lines = ["| key | environment | default | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{key}` | `{variable}` | {f'`{default}`' if default else ''} | {meaning} |"
        for key, variable, default, meaning in rows()
    ]
    return "\n".join(lines) + "\n"


def page():
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: BEGIN + table() + END, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

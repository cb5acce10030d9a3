"""Dials a carrier's prefix before international numbers."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import host
from wit_world.imports.types import Call, Money
from wit_world.exports.gateway import (
    Carrier_Gateway,
    Carrier_Landline,
    Condition,
    Prepared,
    Price,
)


class Gateway(exports.Gateway):
    def prepare(self, call: Call) -> Prepared:
        if call.e164 is None:
            raise Err(f"{call.number} is not known as an international number")
        carrier = host.setting("carrier") or "landline"
        prefix = host.setting("prefix") or ""
        return Prepared(
            carrier=Carrier_Landline() if carrier == "landline" else Carrier_Gateway(carrier),
            number=f"{prefix}00{call.e164[1:]}",
            headers=[],
            credentials=None,
            caller=None,
            after_answer=[],
            because=f"dialled with the carrier's prefix {prefix}",
        )

    def prices(self) -> list[Price]:
        cents = Money(20_000, "EUR")
        return [Price("44", "United Kingdom", cents, Money(0, "EUR"))]

    def balance(self) -> Money | None:
        return None

    def health(self) -> Condition:
        return Condition(True, "")

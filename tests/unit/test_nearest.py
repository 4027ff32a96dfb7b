"""The search for the nearest interval within another, against looking at all of them."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from flightdeck.otel.nearest import Budget, Intervals

GRACE = 3
ENOUGH = 10**6


@dataclass
class Piece:
    place: int
    start: int
    end: int


def within(outer: Piece, inner: Piece) -> bool:
    if inner.start < outer.start or inner.end > outer.end + GRACE:
        return False
    return inner.start > outer.start or (inner.end, -inner.place) < (outer.end, -outer.place)


def by_looking_at_all(outer: Piece, pieces: list[Piece]) -> tuple[int, int] | None:
    near = [
        (inner.start - outer.start + abs(outer.end - inner.end), inner.place)
        for inner in pieces
        if within(outer, inner)
    ]
    return min(near, default=None)


few = st.integers(0, 12)
many = st.integers(0, 10_000)


@given(
    st.sampled_from([few, many]).flatmap(
        lambda times: st.lists(st.tuples(times, times, st.booleans()), min_size=1, max_size=80)
    )
)
def test_the_nearest_is_found_whatever_was_taken_before(drawn: list[tuple[int, int, bool]]):
    pieces = [Piece(place, start, start + length) for place, (start, length, _) in enumerate(drawn)]
    searched = [piece for piece, (_, _, outer) in zip(pieces, drawn, strict=True) if not outer]
    left = Intervals(searched) if searched else None
    for outer in (piece for piece in pieces if piece not in searched):
        expected = by_looking_at_all(outer, searched)
        found = left.nearest(outer, GRACE, lambda _: True, Budget(ENOUGH)) if left else None
        assert (found and (found[0], found[1].place)) == expected
        if left and found:
            left.remove(found[1])
            searched.remove(found[1])


def test_what_does_not_fit_is_passed_over():
    pieces = [Piece(place, place, 100) for place in range(1, 40)]
    found = Intervals(pieces).nearest(Piece(0, 0, 100), GRACE, lambda piece: piece.place % 7 == 0, Budget(ENOUGH))
    assert found == (7, pieces[6])


def test_equal_intervals_are_found_without_looking_at_all_of_them():
    left = Intervals([Piece(place, 5, 9) for place in range(2_000, 4_000)])
    budget = Budget(ENOUGH)
    for place in range(2_000):
        found = left.nearest(Piece(place, 5, 9), GRACE, lambda _: True, budget)
        assert found is not None
        assert found[1].place == 2_000 + place
        left.remove(found[1])
    assert ENOUGH - budget.left < 100_000


def test_a_spent_budget_ends_the_search():
    left = Intervals([Piece(place, place, 200) for place in range(1, 100)])
    assert left.nearest(Piece(0, 0, 200), GRACE, lambda _: True, Budget(0)) is None

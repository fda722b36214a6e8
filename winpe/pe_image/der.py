"""What is written in this DER? Just enough of ITU-T X.690 to read a signature; nothing is ever encoded."""

from __future__ import annotations

from dataclasses import dataclass

INTEGER, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31


class DerError(Exception):
    """Octets that are not the DER they should be."""


@dataclass(frozen=True, slots=True)
class Element:
    """One value: its tag octet, the octets inside, and `whole`, header included."""

    tag: int
    inside: bytes
    whole: bytes

    def children(self) -> tuple[Element, ...]:
        """The values inside of a constructed one.

        Raises:
            DerError: one of them claims more octets than there are.
        """
        found: list[Element] = []
        at = 0
        while at < len(self.inside):
            element = read(self.inside[at:])
            found.append(element)
            at += len(element.whole)
        return tuple(found)

    def child(self, number: int, tag: int | None = None) -> Element:
        """The value at a place inside, of a given tag.

        Raises:
            DerError: there is none, or of another tag.
        """
        children = self.children()
        if number >= len(children):
            raise DerError(f"has {len(children)} parts, one more was expected")
        if tag is not None and children[number].tag != tag:
            raise DerError(f"tag {children[number].tag:#04x} where {tag:#04x} was expected")
        return children[number]

    def oid(self) -> str:
        """An object identifier in dotted form.

        Raises:
            DerError: it is none.
        """
        if self.tag != OID or not self.inside or self.inside[-1] & 0x80:
            raise DerError(f"tag {self.tag:#04x} where an object identifier was expected")
        numbers, value = [], 0
        for octet in self.inside:
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                numbers.append(value)
                value = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def read(octets: bytes) -> Element:
    """The first value; octets after it are left alone.

    Raises:
        DerError: it claims more octets than there are, or is of a form that DER does not have.
    """
    if len(octets) < 2:
        raise DerError("ends within a header")
    length, header = octets[1], 2
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4 or len(octets) < 2 + width:
            raise DerError("has a length that DER does not allow")
        length, header = int.from_bytes(octets[2 : 2 + width], "big"), 2 + width
    if len(octets) < header + length:
        raise DerError(f"claims {length} octets where {len(octets) - header} are left")
    return Element(octets[0], octets[header : header + length], octets[: header + length])

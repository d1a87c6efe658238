"""Names seen before, by hash: 20 to 40 bytes each instead of some hundred."""

from __future__ import annotations

import hashlib
from array import array


class NameTable:
    """Names and a number for each; two names with the same 64-bit hash are taken for one."""

    def __init__(self) -> None:
        self._mask = 1023
        self._keys = array("Q", bytes(8 * 1024))
        self._values = array("I", bytes(4 * 1024))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, name: str, value: int = 0) -> bool:
        """Give a name a number; False if the name is there already, which then stays as it is."""
        key = _key(name)
        place = self._place(key)
        if self._keys[place]:
            return False
        self._keys[place], self._values[place] = key, value
        self._count += 1
        if self._count * 3 > self._mask * 2:
            self._grow()
        return True

    def get(self, name: str) -> int | None:
        """The number of a name."""
        place = self._place(_key(name))
        return self._values[place] if self._keys[place] else None

    def set(self, name: str, value: int) -> None:
        """Change the number of a name that is there."""
        self._values[self._place(_key(name))] = value

    def _place(self, key: int) -> int:
        place = key & self._mask
        while self._keys[place] not in (0, key):
            place = (place + 1) & self._mask
        return place

    def _grow(self) -> None:
        old = zip(self._keys, self._values, strict=True)
        self._mask = self._mask * 2 + 1
        self._keys = array("Q", bytes(8 * (self._mask + 1)))
        self._values = array("I", bytes(4 * (self._mask + 1)))
        for key, value in old:
            if key:
                place = self._place(key)
                self._keys[place], self._values[place] = key, value


def _key(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1

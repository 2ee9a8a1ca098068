"""Opens the golden vectors of Strongroom's envelope with another implementation of the cipher.

Usage: python3 tests/envelope_vectors.py tests/fixtures/envelope
Needs the package `cryptography` over OpenSSL 3.2 or newer (AES-GCM-SIV).

It rebuilds each vector's associated data from its fields, seals the plaintext anew, compares every
byte, and makes sure that one changed bit does not open.
"""

import json
import pathlib
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

DOMAINS = {"value", "dek-wrap", "kek-wrap", "storage-block", "keyring"}


def behind_length(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def flipped(sealed: bytes, bit: int) -> bytes:
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def check(vector: dict) -> str:
    def octets(name: str) -> bytes:
        return bytes.fromhex(vector[name])

    fields = [vector["domain"].encode()]
    fields += [bytes.fromhex(field["bytes"]) for field in vector["fields"]]
    aad = b"".join(behind_length(field) for field in fields)
    assert aad == octets("aad"), "the associated data is not its fields"

    front = octets("header") + (octets("nonce") if vector["nonce_in_front"] else b"")
    cipher = AESGCMSIV(octets("key"))
    ciphertext = cipher.encrypt(octets("nonce"), octets("plaintext"), aad)
    assert front + ciphertext == octets("sealed"), "the sealed bytes differ"
    assert cipher.decrypt(octets("nonce"), ciphertext, aad) == octets("plaintext")

    for bit in range(len(ciphertext) * 8):
        try:
            cipher.decrypt(octets("nonce"), flipped(ciphertext, bit), aad)
        except InvalidTag:
            continue
        raise AssertionError(f"bit {bit} was flipped and the vector still opened")
    return vector["domain"].split("/")[1]


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    seen, count = set(), 0
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        for number, vector in enumerate(json.loads(path.read_text())):
            try:
                seen.add(check(vector))
            except AssertionError as error:
                print(f"{path.name}, vector {number}: {error}", file=sys.stderr)
                return 1
            count += 1
    if seen != DOMAINS:
        print(f"domains without a vector: {sorted(DOMAINS - seen)}", file=sys.stderr)
        return 1
    print(f"{count} vectors agree, {len(seen)} domains")
    return 0


if __name__ == "__main__":
    sys.exit(main())

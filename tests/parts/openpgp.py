"""OpenPGP packets of any form, signed with real keys: what no honest tool would write."""

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from goferry.kernel import certificate, packets
from goferry.kernel.pgp_signature import _DIGEST_INFO, CURVES, HASHES

BORN = 1_700_000_000
OIDS = {name: oid for oid, name in CURVES.items()}
ED25519_OID = bytes.fromhex("092b06010401da470f01")
P192_OID = bytes.fromhex("082a8648ce3d030101")
DIGESTS = {name: number for number, name in HASHES.items()} | {"sha1": 2, "md5": 1}
EC = {
    "P-256": (OIDS["NIST P-256"], ec.SECP256R1()),
    "P-192": (P192_OID, ec.SECP192R1()),
    "brainpool": (OIDS["brainpoolP256r1"], ec.BrainpoolP256R1()),
}


def mpi(number):
    return number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")


def sub(kind, value, *, critical=False):
    """Return a subpacket; lengths up to 16,319."""
    length = len(value) + 1
    head = bytes([length]) if length < 192 else bytes([(length - 192 >> 8) + 192, length - 192 & 255])
    return head + bytes([kind | (0x80 if critical else 0)]) + value


def dated(seconds):
    return sub(2, seconds.to_bytes(4, "big"))


class Secret:
    """A secret key: `body` is its public packet's body; `sign` makes signature packets' bodies."""

    def __init__(self, kind, born=BORN):
        self.kind, self.born = kind, born
        self.algorithm, material = getattr(self, "_" + kind.rstrip("0123456789").rstrip("-").lower())(kind)
        self.body = b"\x04" + born.to_bytes(4, "big") + bytes([self.algorithm]) + material
        self.hashable = b"\x99" + len(self.body).to_bytes(2, "big") + self.body
        self.fingerprint = hashlib.sha1(self.hashable).hexdigest().upper()

    @property
    def fpr(self):
        return sub(33, b"\x04" + bytes.fromhex(self.fingerprint))

    @property
    def id(self):
        return sub(16, bytes.fromhex(self.fingerprint[-16:]))

    def _ed(self, _kind):
        self.key = ed25519.Ed25519PrivateKey.generate()
        point = b"\x40" + self.key.public_key().public_bytes_raw()
        return 22, ED25519_OID + mpi(int.from_bytes(point, "big"))

    def _rsa(self, kind):
        self.key = rsa.generate_private_key(65537, int(kind[4:]))
        numbers = self.key.public_key().public_numbers()
        return 1, mpi(numbers.n) + mpi(numbers.e)

    def _exponent(self, kind):
        """RSA with a chosen exponent, and a modulus of 2048 or of 20,000 bits that nobody needs to factor."""
        self.key, self.exponent = None, int(kind[9:])
        self.modulus = (1 << (2048 if self.exponent < 9 else 20_000)) - 1
        return 1, mpi(self.modulus) + mpi(self.exponent)

    def _p(self, kind):
        oid, curve = EC[kind]
        self.key = ec.generate_private_key(curve)
        numbers, size = self.key.public_key().public_numbers(), (curve.key_size + 7) // 8
        point = b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
        return 19, oid + mpi(int.from_bytes(point, "big"))

    _brainpool = _p

    def values(self, name, digest):
        """Return a signature's own values over a digest."""
        if self.algorithm == 22:
            made = self.key.sign(digest)
            return mpi(int.from_bytes(made[:32], "big")) + mpi(int.from_bytes(made[32:], "big"))
        if self.key is None:  # with the exponent 1 the signature is what it should come to
            info = _DIGEST_INFO[name] + digest
            return mpi(int.from_bytes(b"\1" + b"\xff" * (253 - len(info)) + b"\0" + info, "big"))
        digester = utils.Prehashed(getattr(hashes, name.upper())())
        if self.algorithm == 1:
            return mpi(int.from_bytes(self.key.sign(digest, padding.PKCS1v15(), digester), "big"))
        return b"".join(mpi(part) for part in utils.decode_dss_signature(self.key.sign(digest, ec.ECDSA(digester))))

    def sign(self, kind, covered, hashed, unhashed=b"", *, digest="sha256", algorithm=0, values=None):
        head = bytes([4, kind, algorithm or self.algorithm, DIGESTS[digest]]) + len(hashed).to_bytes(2, "big") + hashed
        trailer = b"\x04\xff" + len(head).to_bytes(4, "big")
        summed = hashlib.new(digest, covered + head + trailer).digest()
        made = self.values(digest, summed) if values is None else values
        return head + len(unhashed).to_bytes(2, "big") + unhashed + summed[:2] + made


def flags(value):
    return sub(27, bytes([value]))


class Public:
    """A certificate that grows packet by packet."""

    def __init__(self, primary, uses=0x03, uid=b"forged", **options):
        self.primary = primary
        self.packets = [(packets.PUBLIC_KEY, primary.body)]
        self.user(uid, uses, **options)

    def user(self, uid, uses=0x03, *, more=b"", at=0, digest="sha256", by=None, unhashed=None):
        covered = self.primary.hashable + b"\xb4" + len(uid).to_bytes(4, "big") + uid
        said = dated(at or self.primary.born) + flags(uses) + self.primary.fpr + more
        unhashed = self.primary.id if unhashed is None else unhashed
        made = (by or self.primary).sign(0x13, covered, said, unhashed, digest=digest)
        self.packets += [(packets.USER_ID, uid), (packets.SIGNATURE, made)]
        return self

    def subkey(self, key, uses=0x02, *, more=b"", at=0, digest="sha256", by=None, back=None):
        """Add a subkey; `by` binds it in the primary key's name, `back` signs back in the subkey's (False: nobody)."""
        covered = self.primary.hashable + key.hashable
        said = dated(at or key.born) + flags(uses) + self.primary.fpr + more
        if back is not False:
            agreed = (back or key).sign(0x19, covered, dated(key.born) + key.fpr, key.id, algorithm=key.algorithm)
            said += sub(32, agreed)
        binder, number = by or self.primary, self.primary.algorithm
        made = binder.sign(0x18, covered, said, self.primary.id, digest=digest, algorithm=number)
        self.packets += [(packets.PUBLIC_SUBKEY, key.body), (packets.SIGNATURE, made)]
        return self

    def add(self, body, kind=packets.SIGNATURE):
        self.packets.append((kind, body))
        return self

    @property
    def text(self):
        return packets.armor(b"".join(packet(kind, body) for kind, body in self.packets), certificate.KIND).decode()


def packet(kind, body):
    return bytes([0xC0 | kind, 0xFF]) + len(body).to_bytes(4, "big") + body


def detached(body):
    """Return a signature packet's body as a signature file."""
    return packets.armor(packet(packets.SIGNATURE, body), "PGP SIGNATURE")

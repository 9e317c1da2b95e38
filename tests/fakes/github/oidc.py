"""A runner's OIDC token service and its issuer: RS256 tokens with the claims that GitHub's carry, and the JWKS."""

import base64
import json
import time


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens; the key is made when it is first used."""

    def __init__(self):
        self._key = None

    @property
    def key(self):
        from cryptography.hazmat.primitives.asymmetric import rsa

        self._key = self._key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    def jwks(self):
        numbers = self.key.public_key().public_numbers()
        parts = {
            name: _b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))
            for name, value in (("n", numbers.n), ("e", numbers.e))
        }
        return {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "fake-1", **parts}]}

    def configuration(self, issuer):
        return {
            "issuer": issuer, "jwks_uri": f"{issuer}/.well-known/jwks", "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"], "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip

    def token(self, issuer, repository, audience):
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.hashes import SHA256

        now = int(time.time())
        claims = {
            "iss": issuer, "sub": f"repo:{repository}:ref:refs/heads/main", "aud": audience, "iat": now, "nbf": now,
            "exp": now + 300, "repository": repository, "repository_owner": repository.partition("/")[0],
            "ref": "refs/heads/main", "event_name": "push", "runner_environment": "self-hosted",
        }  # fmt: skip
        head = {"typ": "JWT", "alg": "RS256", "kid": "fake-1"}
        signed = f"{_b64(json.dumps(head).encode())}.{_b64(json.dumps(claims).encode())}"
        return f"{signed}.{_b64(self.key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

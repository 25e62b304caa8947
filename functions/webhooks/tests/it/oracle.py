"""Judges and makes signatures with code that others wrote. Cases as JSON on standard input, verdicts on standard output.

A case is {"verify" or "sign": {provider, payload, secret, timestamp, id, headers}}; `sign` answers with headers.
Stripe, Slack and Standard Webhooks have libraries. Standard Webhooks' has no ed25519, so that is PyCA's cryptography.
GitHub and Shopify show these few lines of Python's own hmac in their documentation.
"""

import base64
import datetime
import hashlib
import hmac
import json
import sys

import standardwebhooks
import stripe
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from slack_sdk.signature import SignatureVerifier


class Stripe:
    def verify(self, payload, secret, headers, **_):
        try:
            return stripe.WebhookSignature.verify_header(payload, headers["stripe-signature"], secret, tolerance=300)
        except stripe.SignatureVerificationError:
            return False

    def sign(self, payload, secret, timestamp, **_):
        signature = stripe.WebhookSignature._compute_signature(f"{timestamp}.{payload}", secret)
        return {"stripe-signature": f"t={timestamp},v1={signature}"}


class Slack:
    def verify(self, payload, secret, headers, **_):
        return SignatureVerifier(secret).is_valid_request(payload, headers)

    def sign(self, payload, secret, timestamp, **_):
        signature = SignatureVerifier(secret).generate_signature(timestamp=str(timestamp), body=payload)
        return {"x-slack-signature": signature, "x-slack-request-timestamp": str(timestamp)}


class Standard:
    def verify(self, payload, secret, headers, **_):
        try:
            # It also parses the body as JSON, after the signature.
            standardwebhooks.Webhook(secret).verify(payload, headers)
        except standardwebhooks.WebhookVerificationError:
            return False
        except json.JSONDecodeError:
            pass
        return True

    def sign(self, payload, secret, timestamp, id, **_):
        time = datetime.datetime.fromtimestamp(timestamp, tz=datetime.timezone.utc)
        signature = standardwebhooks.Webhook(secret).sign(msg_id=id, timestamp=time, data=payload)
        return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


class Ed25519:
    """Standard Webhooks' asymmetric form: the secret is a seed."""

    def verify(self, payload, secret, headers, **_):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{payload}".encode()
        version, signature = headers["webhook-signature"].split(",", 1)
        try:
            self.key(secret).public_key().verify(base64.b64decode(signature), signed)
        except InvalidSignature:
            return False
        return version == "v1a"

    def sign(self, payload, secret, timestamp, id, **_):
        signature = self.key(secret).sign(f"{id}.{timestamp}.{payload}".encode())
        signature = "v1a," + base64.b64encode(signature).decode()
        return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}

    def key(self, secret):
        return ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix("whsk_")))


class Hmac:
    """A signature over the body alone, in one header."""

    def __init__(self, header, write):
        self.header, self.write = header, write

    def verify(self, payload, secret, headers, **_):
        return hmac.compare_digest(headers[self.header], self.sign(payload, secret)[self.header])

    def sign(self, payload, secret, **_):
        return {self.header: self.write(hmac.new(secret.encode(), payload.encode(), hashlib.sha256))}


PROVIDERS = {
    "stripe": Stripe(),
    "slack": Slack(),
    "standard": Standard(),
    "ed25519": Ed25519(),
    "github": Hmac("x-hub-signature-256", lambda mac: "sha256=" + mac.hexdigest()),
    "shopify": Hmac("x-shopify-hmac-sha256", lambda mac: base64.b64encode(mac.digest()).decode()),
}

answers = []
for case in json.load(sys.stdin):
    for name, arguments in case.items():
        answers.append(getattr(PROVIDERS[arguments.pop("provider")], name)(**arguments))
json.dump(answers, sys.stdout)

"""Judges and makes signatures with Stripe's own library. Cases as JSON on standard input, verdicts on standard output."""

import json
import sys

import stripe


def verify(payload, header, secret):
    try:
        return stripe.WebhookSignature.verify_header(payload, header, secret, tolerance=300)
    except stripe.SignatureVerificationError:
        return False


def sign(payload, timestamp, secret):
    signature = stripe.WebhookSignature._compute_signature(f"{timestamp}.{payload}", secret)
    return f"t={timestamp},v1={signature}"


answers = []
for case in json.load(sys.stdin):
    for name, arguments in case.items():
        answers.append({"verify": verify, "sign": sign}[name](**arguments))
json.dump(answers, sys.stdout)

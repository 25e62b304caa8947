//! What AWS refuses, in words: what it means, and what to do.

use std::error::Error;

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};

/// The service's own name for an error, such as `AccessDeniedException`.
pub fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// `what` is what was tried: "the function solo-os-staging-ops could not be invoked".
pub fn explain<E, R>(what: impl Into<String>, error: &SdkError<E, R>) -> anyhow::Error
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let advice = match error {
        SdkError::ServiceError(service) => {
            refusal(service.err().code().unwrap_or("no code"), service.err().message().unwrap_or("no reason given"))
        }
        SdkError::TimeoutError(_) => "AWS did not answer in time; is the network reachable?".into(),
        other => unsent(&shared::errors::chain(other)),
    };
    anyhow::anyhow!(advice).context(what.into())
}

/// What a service said, and what to do about it.
pub(super) fn refusal(code: &str, message: &str) -> String {
    let told = format!("{code}: {message}");
    advice_for(code).map_or_else(|| told.clone(), |advice| format!("{advice} ({told})"))
}

fn advice_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "your AWS session has expired: sign in again (`aws sso login`, or new credentials)"
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException" => {
            "AWS does not know these credentials: check AWS_PROFILE, or the keys in the environment"
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            "your AWS identity may not do that: to work with ops, attach the policy that the stack's output \
             OperatorPolicyArn names; a deployment needs the role that deploys"
        }
        "TooManyRequestsException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded" => "AWS takes no more requests right now: try again in a moment",
        _ => return None,
    })
}

/// Why a request never left, or came to nothing on the way.
pub(super) fn unsent(chain: &str) -> String {
    if chain.contains("expired") || chain.contains("Expired") {
        return format!("your AWS session has expired: sign in again (`aws sso login`) ({chain})");
    }
    // The last place where they are looked for is a machine of EC2's own service, which there is none of.
    if ["no credentials found in chain", "no providers in chain", "IMDS"].iter().any(|sign| chain.contains(sign)) {
        return "there are no AWS credentials: sign in (`aws sso login` and AWS_PROFILE, which needs the AWS CLI, or \
                AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
            .into();
    }
    format!("{chain}; is the network reachable, and the profile complete?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_mended_says_how() {
        assert!(advice_for("AccessDeniedException").unwrap().contains("OperatorPolicyArn"));
        assert!(advice_for("ExpiredTokenException").unwrap().contains("sign in again"));
        assert!(advice_for("ValidationError").is_none());
        assert!(unsent("dispatch failure: no providers in chain provided credentials").contains("no AWS credentials"));
        assert!(unsent("failed to load IMDS session token").contains("no AWS credentials"));
        assert!(unsent("the SSO token has expired").contains("sign in again"));
        assert!(unsent("dns error").contains("network"));
    }
}

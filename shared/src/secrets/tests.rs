use super::*;

fn parse(json: &str) -> Result<AppSecrets, Faults> {
    AppSecrets::parse(&SecretString::from(json))
}

#[test]
fn one_secret_or_several() {
    let (a, b) = ("a".repeat(32), "b".repeat(40));
    let secrets = parse(&format!(r#"{{"STRIPE_WEBHOOK_SECRET": ["{a}", "{b}"], "EVENTS_TOKEN": "{a}"}}"#)).unwrap();
    assert_eq!(secrets.webhook("stripe").len(), 2);
    assert!(is_one_of(&b, secrets.webhook("stripe")));
    assert!(!is_one_of(&b, secrets.events_tokens()));
    assert!(!is_one_of("", secrets.events_tokens()));
    assert!(secrets.health_tokens().is_empty());
    assert_eq!(secrets.one("STRIPE_WEBHOOK_SECRET").unwrap().expose_secret(), a);
    assert!(secrets.one("CRM_TOKEN").is_none());
}

#[test]
fn every_short_secret_is_named_and_none_is_shown() {
    let faults = parse(r#"{"STRIPE_WEBHOOK_SECRET": ["whsec_x", "whsec_y"], "EVENTS_TOKEN": "tiny"}"#).unwrap_err();
    let text = faults.to_string();
    for name in ["STRIPE_WEBHOOK_SECRET[0]", "STRIPE_WEBHOOK_SECRET[1]", "EVENTS_TOKEN"] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(!text.contains("tiny") && !text.contains("whsec_x"));
}

#[test]
fn blank_secrets_and_pasted_line_ends_are_refused() {
    for secret in [String::new(), " ".repeat(40), format!("{}\\n", "a".repeat(40)), format!(" {}", "a".repeat(40))] {
        let json = format!(r#"{{"GITHUB_WEBHOOK_SECRET": "{secret}"}}"#);
        assert!(parse(&json).unwrap_err().to_string().contains("GITHUB_WEBHOOK_SECRET"), "{secret:?}");
    }
}

#[test]
fn a_mistyped_secret_of_a_provider_that_is_on_is_refused() {
    let text = SecretString::from(r#"{"STANDARD_WEBHOOK_SECRET": "whsec_aaaa-mistyped-and-decodes-to-nothing"}"#);
    let parse = |toml: &str| {
        let file = crate::config::SoloToml::parse(toml).unwrap();
        AppSecrets::parse_checked(&text, &move |name, secret| file.check_secret(name, secret))
    };
    let fault = parse("[providers.standard]").unwrap_err().to_string();
    assert!(fault.contains("STANDARD_WEBHOOK_SECRET") && !fault.contains("mistyped"), "{fault}");
    assert!(parse("[providers.standard]\nenabled = false").is_ok());
}

#[test]
fn debug_shows_names_only() {
    let secret = "s".repeat(32);
    let shown = format!("{:?}", parse(&format!(r#"{{"EVENTS_TOKEN": "{secret}"}}"#)).unwrap());
    assert_eq!(shown, r#"{"EVENTS_TOKEN"}"#);
}

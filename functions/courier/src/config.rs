//! What courier needs to know at start. It has no database, so it does not take [`shared::config::Config`].

use shared::{
    config::{ChannelConfig, Env, Fault, Faults, SoloToml},
    telemetry::{LogFormat, LogLevel},
};

use url::Url;

use crate::address::Reach;

/// `solo.toml` as it was when the function was built.
const BUILT_IN: &str = include_str!("../../../solo.toml");

#[derive(Clone, Debug)]
pub struct Config {
    /// `APP_SECRET_ID`: name or ARN of the secret that effects and channels take theirs from.
    pub app_secret_id: String,
    /// `INBOX_QUEUE_URL`: where reports go.
    pub inbox_url: String,
    /// `OUTBOUND_QUEUE_URL`: where messages come from, and go back to.
    pub outbound_url: String,
    /// `ALERTS_TOPIC_ARN`: the SNS topic of e-mail channels. Needed only when there is one.
    pub alerts_topic: Option<String>,
    /// `STAGE_NAME`: what errors are told to the tracker as of; `development` unless it is set.
    pub stage: String,
    /// `COURIER_ALLOW_LOOPBACK`: whether this machine itself may be called. For development only.
    pub reach: Reach,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    /// `METRICS_NAMESPACE`: where CloudWatch keeps the metrics.
    pub metrics_namespace: Option<String>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector of spans. None are made without it.
    pub otlp: Option<Url>,
    pub file: SoloToml,
}

impl Config {
    /// All faults together.
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let app_secret_id = env.required("APP_SECRET_ID", "the name or ARN of the app's secret", &mut faults);
        let inbox_url = env.required("INBOX_QUEUE_URL", "the URL of the inbox queue", &mut faults);
        let outbound_url = env.required("OUTBOUND_QUEUE_URL", "the URL of the outbound queue", &mut faults);
        let allow_loopback = env.parsed("COURIER_ALLOW_LOOPBACK", "true or false", &mut faults).unwrap_or(false);
        let log_level = env.parsed("LOG_LEVEL", "debug, info, warn or error", &mut faults).unwrap_or_default();
        let log_format = env.parsed("LOG_FORMAT", "json or text", &mut faults).unwrap_or_default();
        let metrics_namespace = env.optional("METRICS_NAMESPACE");
        let otlp = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", &mut faults);
        let alerts_topic = env.optional("ALERTS_TOPIC_ARN");
        let stage = env.optional("STAGE_NAME").unwrap_or_else(|| "development".into());
        let file = SoloToml::read(env, BUILT_IN, &mut faults);
        if let Some(name) = file.as_ref().and_then(email_channel)
            && alerts_topic.is_none()
        {
            let problem = format!("is not set, and [channels.{name}] of solo.toml sends e-mail");
            faults.push(Fault::new("ALERTS_TOPIC_ARN", &problem).hint("set it to the ARN of an SNS topic"));
        }
        let reach = if allow_loopback { Reach::PublicAndLoopback } else { Reach::Public };
        match (app_secret_id, inbox_url, outbound_url, file) {
            (Some(app_secret_id), Some(inbox_url), Some(outbound_url), Some(file)) => faults.into_result(Self {
                app_secret_id,
                inbox_url,
                outbound_url,
                alerts_topic,
                stage,
                reach,
                log_level,
                log_format,
                metrics_namespace,
                otlp,
                file,
            }),
            _ => Err(faults),
        }
    }
}

fn email_channel(file: &SoloToml) -> Option<&str> {
    let (name, _) = file.channels.iter().find(|(_, channel)| matches!(channel, ChannelConfig::Email))?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] =
        [("APP_SECRET_ID", "app"), ("INBOX_QUEUE_URL", "in"), ("OUTBOUND_QUEUE_URL", "out")];

    fn load(more: &[(&str, &str)]) -> Result<Config, Faults> {
        Config::load(&Env::of(&[&GOOD, more].concat()))
    }

    #[test]
    fn loopback_is_off_unless_it_is_switched_on() {
        assert_eq!(load(&[]).unwrap().reach, Reach::Public);
        assert_eq!(load(&[("COURIER_ALLOW_LOOPBACK", "false")]).unwrap().reach, Reach::Public);
        assert_eq!(load(&[("COURIER_ALLOW_LOOPBACK", "true")]).unwrap().reach, Reach::PublicAndLoopback);
        assert!(load(&[("COURIER_ALLOW_LOOPBACK", "yes please")]).is_err());
    }

    #[test]
    fn all_faults_are_listed_together() {
        let faults = Config::load(&Env::of(&[("LOG_LEVEL", "loud"), ("COURIER_ALLOW_LOOPBACK", "1")])).unwrap_err();
        assert_eq!(faults.len(), 5, "{faults}");
    }

    #[test]
    fn an_email_channel_needs_the_topic() {
        let file = std::env::temp_dir().join(format!("courier-{}.toml", std::process::id()));
        std::fs::write(&file, "[channels.founder]\nkind = 'email'").unwrap();
        let solo_toml = ("SOLO_TOML", file.to_str().unwrap());
        let faults = load(&[solo_toml]).unwrap_err().to_string();
        assert!(faults.contains("ALERTS_TOPIC_ARN") && faults.contains("founder"), "{faults}");
        assert!(load(&[solo_toml, ("ALERTS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts")]).is_ok());
        std::fs::remove_file(&file).unwrap();
    }
}

//! CloudWatch's alarms that ring: what is watched from outside of the database, which may be what is out.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::stage::{Api, Cloud};

/// More of them are not read.
const MOST: usize = 100;
const ALARM: &str = "ALARM";
/// Characters of what CloudFormation makes up.
const MADE_UP: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// As the template calls it: `InboxOld`.
    pub name: String,
    pub since: Option<Timestamp>,
    /// What it means.
    pub words: String,
    /// Of the runbook's entries, the one to read.
    pub entry: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    metric_alarms: Vec<Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    alarm_name: String,
    state_value: String,
    #[serde(default)]
    alarm_description: Option<String>,
    /// Seconds.
    #[serde(default)]
    state_updated_timestamp: Option<f64>,
}

pub async fn ask(cloud: &Cloud) -> anyhow::Result<Vec<Alarm>> {
    let stack = cloud.stack();
    let request = json!({
        "StateValue": ALARM, "AlarmNamePrefix": format!("{stack}-"), "AlarmTypes": ["MetricAlarm"], "MaxRecords": MOST,
    });
    let answer = cloud.call(Api::ALARMS, "DescribeAlarms", &request).await;
    let answer = answer.map_err(|error| error.explain("AWS does not say which alarms ring"))?;
    let page: Page = serde_json::from_value(answer).context("CloudWatch's answer is not understood")?;
    let ringing = page.metric_alarms.iter().filter(|metric| metric.state_value == ALARM);
    Ok(ringing.map(|metric| alarm(metric, stack)).collect())
}

fn alarm(metric: &Metric, stack: &str) -> Alarm {
    let words = metric.alarm_description.as_deref().unwrap_or_default();
    let (words, entry) = match words.split_once(" See docs/runbook.md, \"") {
        Some((words, rest)) => (words, rest.split_once('"').map(|(entry, _)| entry.to_owned())),
        None => (words, None),
    };
    #[allow(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
    let since = metric.state_updated_timestamp.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    Alarm { name: logical(&metric.alarm_name, stack), since, words: words.to_owned(), entry }
}

/// CloudFormation calls it `<stack>-InboxOld-1ABCDEFGHIJKL`, in a nested stack `<stack>-Database-2ABCDEFGHIJKL-CpuAlarm-3ABCDEFGHIJKL`;
/// what it makes up is letters and digits, 12 or more. A name that the template gives, it keeps: `<stack>-worker-version-12`.
fn logical(name: &str, stack: &str) -> String {
    let own = name.strip_prefix(stack).map_or(name, |rest| rest.trim_start_matches('-'));
    let made_up = |part: &&str| part.len() >= MADE_UP && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = own.rsplit('-');
    match parts.next().filter(made_up).and(parts.next()) {
        // A logical id has no hyphen in it.
        Some(logical) => logical.to_owned(),
        None => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_has_the_template_s_name_its_words_and_its_entry() {
        let of = |name: &str, description: Option<&str>| {
            let (alarm_name, alarm_description) = (name.to_owned(), description.map(str::to_owned));
            alarm(
                &Metric {
                    alarm_name,
                    state_value: ALARM.into(),
                    alarm_description,
                    state_updated_timestamp: Some(1_795_949_467.24),
                },
                "solo-os-staging",
            )
        };
        let inbox = of(
            "solo-os-staging-InboxOld-1ABCDEFGHIJKL",
            Some("An event has waited for ten minutes. See docs/runbook.md, \"The queue grows\"."),
        );
        assert_eq!((inbox.name.as_str(), inbox.words.as_str()), ("InboxOld", "An event has waited for ten minutes."));
        assert_eq!(
            (inbox.entry.as_deref(), inbox.since.map(Timestamp::as_second)),
            (Some("The queue grows"), Some(1_795_949_467))
        );
        let nested = of("solo-os-staging-Database-2ABCDEFGHIJKL-CpuAlarm-3ABCDEFGHIJKL", None);
        assert_eq!((nested.name.as_str(), nested.words.as_str(), nested.entry), ("CpuAlarm", "", None));
        for (name, logical) in [
            ("solo-os-staging-InboxOld-aB3dEfGhIjKl", "InboxOld"),
            ("solo-os-staging-worker-version-12", "worker-version-12"),
            ("solo-os-staging-TickLate", "TickLate"),
            ("somebody-s-own", "somebody-s-own"),
        ] {
            assert_eq!(of(name, None).name, logical);
        }
    }

    /// Whoever is told of an alarm has to know what to read.
    #[test]
    fn every_alarm_of_the_templates_names_its_entry() {
        let template = crate::template::Template::parse(include_str!("../../../template.yaml")).unwrap();
        let resources = template.value["Resources"].as_object().unwrap();
        let alarms: Vec<_> = resources.iter().filter(|(_, it)| it["Type"] == "AWS::CloudWatch::Alarm").collect();
        assert!(alarms.len() > 20, "{}", alarms.len());
        for (id, resource) in alarms {
            let properties = &resource["Properties"];
            let given = properties["AlarmName"]["Fn::Sub"].as_str().map(|name| name.replace("${AWS::StackName}", "s"));
            let (alarm_name, named) = match given {
                Some(name) => (name.clone(), name["s-".len()..].to_owned()),
                None => (format!("s-{id}-aB3dEfGhIjKl"), id.clone()),
            };
            let alarm_description = properties["AlarmDescription"].as_str().map(str::to_owned);
            let metric =
                Metric { alarm_name, state_value: ALARM.into(), alarm_description, state_updated_timestamp: None };
            let alarm = alarm(&metric, "s");
            assert_eq!(alarm.name, named);
            assert!(alarm.entry.is_some() && !alarm.words.is_empty(), "{alarm:?}");
        }
    }
}

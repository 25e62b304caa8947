//! The logs of a stage in the cloud: CloudWatch's `FilterLogEvents` over the log groups that `template.yaml` names.
//!
//! It reads what it passes by, so the time that is asked for decides how long it takes. Each function is asked for [`PAGES`] pages at
//! most, and all of them have a minute; what was left out is told.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::clock;
use tokio::time::{Instant, timeout_at};

use super::{
    line::{Level, Line},
    wanted::{Newest, Wanted},
};
use crate::{
    project::Project,
    stage::{Api, Cloud},
    template::Template,
};

const WITHIN: Duration = Duration::from_mins(1);
const PAGES: usize = 40;
/// AWS takes 5 of these requests a second from an account, in most regions.
const SIDE_BY_SIDE: usize = 3;
/// How late a line may come into the log.
const LATE: SignedDuration = SignedDuration::from_secs(20);
/// Lines that were told already, while following.
const REMEMBERED: usize = 20_000;

pub struct Remote {
    cloud: Cloud,
    /// A function, without the stack's name, and its log group.
    groups: Vec<(String, String)>,
    told: Told,
}

/// What was found, and what was not looked at.
pub struct Found {
    pub newest: Newest,
    /// In words: functions that have more than was read.
    pub unread: Vec<String>,
}

/// A page of `FilterLogEvents`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    event_id: String,
    #[serde(default)]
    message: String,
}

impl Remote {
    /// Nothing is called yet.
    pub fn open(cloud: &Cloud, wanted: &Wanted) -> anyhow::Result<Self> {
        let template = Template::read(&Project::find()?.root.join("template.yaml"))?;
        let mut groups = groups(&template, cloud.stack())?;
        if let Some(unknown) = wanted.functions.iter().find(|name| !groups.iter().any(|(known, _)| known == *name)) {
            let known: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
            bail!("there is no function {unknown}; there are {}", known.join(", "));
        }
        groups.retain(|(name, _)| wanted.wants(name));
        Ok(Self { cloud: cloud.clone(), groups, told: Told::default() })
    }

    pub async fn all(&mut self, wanted: &Wanted, most: usize) -> anyhow::Result<Found> {
        let mut found = Found { newest: Newest::new(most), unread: Vec::new() };
        let deadline = Instant::now() + WITHIN;
        let read = |(function, group): (String, String)| {
            let (cloud, wanted) = (self.cloud.clone(), wanted.clone());
            async move {
                read(&cloud, &function, &group, &wanted, deadline).await.map(|(lines, whole)| (function, lines, whole))
            }
        };
        let mut reading = stream::iter(self.groups.clone()).map(read).buffer_unordered(SIDE_BY_SIDE);
        while let Some(answer) = reading.next().await {
            let (function, lines, whole) = answer?;
            for (id, line) in lines {
                self.told.is_new(id);
                found.newest.add(line);
            }
            if !whole {
                found.unread.push(function);
            }
        }
        Ok(found)
    }

    /// What came since the last look, oldest first. Lines come late and out of order, so the last moments are read again.
    pub async fn more(&mut self, wanted: &mut Wanted) -> anyhow::Result<Vec<Line>> {
        let deadline = Instant::now() + WITHIN;
        let looked = clock::now();
        let mut lines = Vec::new();
        let (cloud, now) = (self.cloud.clone(), wanted.clone());
        let read = async |(function, group): &(String, String)| read(&cloud, function, group, &now, deadline).await;
        let reading = stream::iter(&self.groups).map(read).buffer_unordered(SIDE_BY_SIDE);
        // All or none: a line that is counted as told has to be told.
        let answers: Vec<_> = reading.try_collect().await?;
        let whole = answers.iter().all(|(_, whole)| *whole);
        for (found, _) in answers {
            lines.extend(found.into_iter().filter_map(|(id, line)| self.told.is_new(id).then_some(line)));
        }
        lines.sort_by_key(|line| line.at);
        // What was not reached this time is read the next time.
        if whole {
            wanted.since = wanted.since.max(looked.checked_sub(LATE).unwrap_or(looked));
        }
        Ok(lines)
    }
}

/// Ids of lines that were told, the latest ones.
#[derive(Default)]
struct Told {
    ids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Told {
    fn is_new(&mut self, id: String) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

/// The lines with their ids, and whether that is all of them.
async fn read(
    cloud: &Cloud,
    function: &str,
    group: &str,
    wanted: &Wanted,
    deadline: Instant,
) -> anyhow::Result<(Vec<(String, Line)>, bool)> {
    let (mut lines, mut token) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let request = request(group, wanted, token.as_deref());
        let Ok(answer) = timeout_at(deadline, cloud.call(Api::LOGS, "FilterLogEvents", &request)).await else {
            return Ok((lines, false));
        };
        let answer = match answer {
            Ok(answer) => answer,
            // It has never been deployed there.
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok((lines, true)),
            Err(error) => return Err(error.explain(format!("the log of {function} ({group}) could not be read"))),
        };
        let page: Page = serde_json::from_value(answer).context("CloudWatch's answer is not understood")?;
        for Event { event_id, message } in page.events {
            // The pattern is a first sieve; this one decides.
            if let Some(line) = Line::read(message.trim_end(), Some(function)).filter(|line| wanted.fits(line)) {
                lines.push((event_id, line));
            }
        }
        token = page.next_token;
        if token.is_none() {
            return Ok((lines, true));
        }
    }
    Ok((lines, false))
}

fn request(group: &str, wanted: &Wanted, token: Option<&str>) -> Value {
    let mut request = json!({
        "logGroupName": group,
        "startTime": wanted.since.as_millisecond().max(0),
        "filterPattern": pattern(wanted),
    });
    if let Some(until) = wanted.until {
        request["endTime"] = json!(until.as_millisecond() + 1);
    }
    if let Some(token) = token {
        request["nextToken"] = json!(token);
    }
    request
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>
fn pattern(wanted: &Wanted) -> String {
    let levels = Level::ALL.into_iter().filter(|level| *level >= wanted.level);
    let mut any: Vec<_> = levels.map(|level| format!("($.level = \"{level}\")", level = level.written())).collect();
    match &wanted.correlation_id {
        Some(id) => {
            let id = id.replace('\\', "\\\\").replace('"', "\\\"");
            let every =
                if wanted.level == Level::Debug { String::new() } else { format!(" && ({})", any.join(" || ")) };
            format!("{{ ($.correlation_id = \"{id}\"){every} }}")
        }
        None => {
            // What Lambda says of an invocation that did not end by itself.
            any.extend(["timeout", "error", "failure"].map(|status| format!("($.record.status = \"{status}\")")));
            format!("{{ {} }}", any.join(" || "))
        }
    }
}

/// The functions of the template, and where they log: `LogGroupName: !Sub /aws/lambda/${AWS::StackName}-worker`.
fn groups(template: &Template, stack: &str) -> anyhow::Result<Vec<(String, String)>> {
    let name = |id: &str| {
        let group = &template.value["Resources"][id]["Properties"]["LogGroupName"];
        let text = group["Fn::Sub"].as_str().or(group.as_str());
        text.map(|text| text.replace("${AWS::StackName}", stack))
            .with_context(|| format!("{id} in template.yaml has no LogGroupName"))
    };
    let of = |function: crate::template::Function<'_>| {
        let logs = function.properties["LoggingConfig"]["LogGroup"]["Ref"].as_str();
        let group = name(logs.with_context(|| format!("{} in template.yaml has no log group", function.id))?)?;
        let last = group.rsplit('/').next().unwrap_or_default();
        let short = last.trim_start_matches("CodeDeployHook_").trim_start_matches(&format!("{stack}-")).to_owned();
        Ok((short, group))
    };
    template.functions().into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn wanted(correlation_id: Option<&str>, level: Level) -> Wanted {
        let since = Timestamp::from_second(5).unwrap();
        Wanted { functions: BTreeSet::new(), correlation_id: correlation_id.map(Into::into), level, since, until: None }
    }

    #[test]
    fn patterns_say_what_is_wanted() {
        assert_eq!(pattern(&wanted(Some("a-1"), Level::Debug)), r#"{ ($.correlation_id = "a-1") }"#);
        assert_eq!(
            pattern(&wanted(Some(r#"a"b\"#), Level::Warn)),
            r#"{ ($.correlation_id = "a\"b\\") && (($.level = "WARN") || ($.level = "ERROR")) }"#
        );
        assert_eq!(
            pattern(&wanted(None, Level::Error)),
            r#"{ ($.level = "ERROR") || ($.record.status = "timeout") || ($.record.status = "error") || ($.record.status = "failure") }"#
        );
    }

    #[test]
    fn a_request_has_the_time_and_the_next_page() {
        let mut wanted = wanted(Some("a"), Level::Debug);
        let first = request("g", &wanted, None);
        assert_eq!(
            (first["startTime"].as_i64(), first.get("endTime"), first.get("nextToken")),
            (Some(5_000), None, None)
        );
        wanted.until = Some(Timestamp::from_second(9).unwrap());
        let next = request("g", &wanted, Some("t"));
        assert_eq!((next["endTime"].as_i64(), next["nextToken"].as_str()), (Some(9_001), Some("t")));
    }

    #[test]
    fn every_function_of_the_template_has_its_log_group() {
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let groups = groups(&template, "solo-os-staging").unwrap();
        assert_eq!(groups.len(), template.functions().len());
        let of = |name: &str| groups.iter().find(|(short, _)| short == name).unwrap().1.clone();
        assert_eq!(of("webhooks"), "/aws/lambda/solo-os-staging-webhooks");
        assert_eq!(of("smoke"), "/aws/lambda/CodeDeployHook_solo-os-staging-smoke");
    }

    #[test]
    fn a_line_is_told_once() {
        let mut told = Told::default();
        assert!(told.is_new("a".into()) && told.is_new("b".into()) && !told.is_new("a".into()));
        for number in 0..REMEMBERED {
            assert!(told.is_new(number.to_string()));
        }
        assert!(told.is_new("a".into()) && told.ids.len() == told.order.len());
    }
}

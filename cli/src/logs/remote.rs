//! The logs of a stage in the cloud: CloudWatch's `FilterLogEvents` over the log groups that `template.yaml` names.
//!
//! It reads what it passes by, so the time that is asked for decides how long it takes. Each function is asked for [`PAGES`] pages at
//! most, and all of them have a minute; what was left out is told.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    follow::Look,
    groups::{self, Group},
    line::{Level, Line},
    place::{Ask, Place, Read, Seen},
    wanted::{Newest, Wanted},
};
use crate::stage::{Api, Cloud};

const WITHIN: Duration = Duration::from_mins(1);
const PAGES: usize = 40;
/// AWS takes 5 of these requests a second from an account, in most regions.
const SIDE_BY_SIDE: usize = 3;

/// Where pages of lines come from.
pub trait Pages {
    /// `None`: there is no such log.
    async fn page(&self, group: &Group, request: &Value) -> anyhow::Result<Option<Value>>;
}

impl Pages for Cloud {
    async fn page(&self, group: &Group, request: &Value) -> anyhow::Result<Option<Value>> {
        match self.call(Api::LOGS, "FilterLogEvents", request).await {
            Ok(answer) => Ok(Some(answer)),
            // It has never been deployed there.
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => {
                Err(error.explain(format!("the log of {} ({}) could not be read", group.function, group.name)))
            }
        }
    }
}

pub struct Remote<P = Cloud> {
    pages: P,
    groups: Vec<Group>,
    /// One for each group.
    places: Vec<Place>,
    /// The group that is asked first.
    first: usize,
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
    #[serde(rename = "eventId", default)]
    id: String,
    timestamp: Option<i64>,
    #[serde(default)]
    message: String,
}

impl Remote {
    /// Nothing is called yet.
    pub fn open(cloud: &Cloud, wanted: &Wanted) -> anyhow::Result<Self> {
        Ok(Self::of(cloud.clone(), groups::all(cloud.stack())?, wanted))
    }
}

impl<P: Pages> Remote<P> {
    fn of(pages: P, mut groups: Vec<Group>, wanted: &Wanted) -> Self {
        groups.retain(|group| wanted.wants(&group.function));
        let places = vec![Place::new(wanted.since); groups.len()];
        Self { pages, groups, places, first: 0 }
    }

    /// What is there by `now`. [`Remote::more`] goes on behind it, also when not all was read: whoever follows wants what comes.
    pub async fn all(&mut self, wanted: &Wanted, most: usize, now: Timestamp) -> anyhow::Result<Found> {
        let mut found = Found { newest: Newest::new(most), unread: Vec::new() };
        let mut looking = look(&self.pages, &self.groups, &self.places, self.first, wanted);
        while let Some((number, answer)) = looking.next().await {
            let read = answer?;
            if !read.whole {
                found.unread.push(self.groups[number].function.clone());
            }
            let place = &mut self.places[number];
            place.take(now, read).into_iter().for_each(|line| found.newest.add(line));
            place.skip(now);
        }
        Ok(found)
    }

    /// What came since the last look, oldest first. Each log is on its own: one that cannot be read keeps no other back; one
    /// that is slow does, for a minute at most.
    pub async fn more(&mut self, wanted: &Wanted, now: Timestamp) -> Look {
        // Those that come last have the least of the minute.
        self.first += SIDE_BY_SIDE;
        let looking = look(&self.pages, &self.groups, &self.places, self.first, wanted);
        let mut answers: Vec<_> = looking.collect().await;
        answers.sort_by_key(|(number, _)| *number);
        let (mut lines, mut unread, mut failed) = (Vec::new(), Vec::new(), None);
        for (number, answer) in answers {
            match answer {
                Ok(read) => {
                    if !read.whole {
                        unread.push(self.groups[number].function.as_str());
                    }
                    lines.extend(self.places[number].take(now, read));
                }
                Err(error) => {
                    // A place within a look is not good for ever.
                    self.places[number].begin_again();
                    failed = failed.or(Some(error));
                }
            }
        }
        lines.sort_by_key(|line| line.at);
        let late = || format!("{} logs more than one look reads: its lines come late", unread.join(", "));
        let trouble =
            [(!unread.is_empty()).then(late), failed.map(|error: anyhow::Error| format!("{error:#}; trying again"))];
        let trouble: Vec<_> = trouble.into_iter().flatten().collect();
        Look { lines, trouble: (!trouble.is_empty()).then(|| trouble.join("; ")) }
    }
}

/// Asks all groups, beginning with the one of this number; each answer comes with the number of its group.
fn look<'a, P: Pages>(
    pages: &'a P,
    groups: &'a [Group],
    places: &[Place],
    first: usize,
    wanted: &'a Wanted,
) -> impl Stream<Item = (usize, anyhow::Result<Read>)> + Unpin + use<'a, P> {
    let deadline = Instant::now() + WITHIN;
    let numbers = (0..groups.len()).map(|number| (number + first) % groups.len());
    let asks: Vec<_> = numbers.map(|number| (number, &groups[number], places[number].ask())).collect();
    let read = move |(number, group, ask)| async move { (number, read(pages, group, wanted, ask, deadline).await) };
    Box::pin(stream::iter(asks).map(read).buffer_unordered(SIDE_BY_SIDE))
}

async fn read<P: Pages>(
    pages: &P,
    group: &Group,
    wanted: &Wanted,
    mut ask: Ask,
    deadline: Instant,
) -> anyhow::Result<Read> {
    let mut lines = Vec::new();
    for _ in 0..PAGES {
        let request = request(&group.name, wanted, &ask);
        let answer = match timeout_at(deadline, pages.page(group, &request)).await {
            Ok(answer) => answer,
            Err(_) if ask.token.is_none() => bail!("CloudWatch does not answer for the log of {}", group.function),
            Err(_) => break,
        };
        let Some(answer) = answer? else { return Ok(Read { lines, whole: true, token: None }) };
        let page: Page = serde_json::from_value(answer).context("CloudWatch's answer is not understood")?;
        for Event { id, timestamp, message } in page.events {
            // The pattern is a first sieve; this one decides.
            let line = Line::read(message.trim_end(), Some(&group.function)).filter(|line| wanted.fits(line));
            if let Some(line) = line {
                lines.push(Seen { id, logged: timestamp.unwrap_or_else(|| line.at.as_millisecond()), line });
            }
        }
        ask.token = page.next_token;
        if ask.token.is_none() {
            return Ok(Read { lines, whole: true, token: None });
        }
    }
    Ok(Read { lines, whole: false, token: ask.token })
}

fn request(group: &str, wanted: &Wanted, ask: &Ask) -> Value {
    let mut request = json!({
        "logGroupName": group,
        "startTime": ask.since,
        "filterPattern": pattern(wanted),
    });
    if let Some(until) = wanted.until {
        request["endTime"] = json!(until.as_millisecond() + 1);
    }
    if let Some(token) = &ask.token {
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

#[cfg(test)]
mod tests;

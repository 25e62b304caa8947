//! `solo logs --execution`: the database's record of it, with the functions' lines in between.

use std::io::Write as _;

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use ops::{Alert, AlertState, ExecutionDetail, Operation, Outcome};
use owo_colors::OwoColorize as _;
use shared::clock;
use uuid::Uuid;

use super::{Arguments, Source, print::Printer, remote::Found, timeline, wanted::Newest};
use crate::{
    stage::{self, Stage},
    ui,
};

/// Before its request came: what was written for it, by another clock.
const BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// After the last thing that is known of it: reports, alerts.
const AFTER: SignedDuration = SignedDuration::from_secs(600);
/// How long the queues keep an event, at most: that of the dead letters, from which a person may take it back.
const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long an event comes again by itself while the database is out, and a little.
const RETRIED: SignedDuration = SignedDuration::from_hours(14);

/// The record first: it says which lines there can be, and when. A log that cannot be read is said, and the record is shown.
pub async fn show(stage: &Stage, id: Uuid, arguments: &Arguments) -> anyhow::Result<()> {
    let (detail, alerts) = known(async |operation| stage.operate(operation).await, id).await?;
    let record = timeline::of(&detail, &alerts);
    let last = record.last().map_or(detail.summary.received_at, |line| line.at);
    let (since, until) = window(&detail, last);
    let mut wanted = super::wanted(arguments, since);
    wanted.correlation_id = Some(detail.correlation_id.clone());
    wanted.until = wanted.until.or(until);
    let most = usize::from(arguments.limit);
    let found = async { Source::open(stage, &wanted)?.all(&wanted, most, clock::now()).await }.await;
    let nothing = || Found { newest: Newest::new(most), unread: Vec::new() };
    let mut found = or_without("the functions' lines", found).unwrap_or_else(nothing);
    record.into_iter().filter(|line| line.level >= arguments.level).for_each(|line| found.newest.add(line));

    let summary = &detail.summary;
    let known = vec![("correlation_id", detail.correlation_id.clone()), ("execution_id", id.to_string())];
    let mut printer = Printer::new(arguments.json, known).on_the_day_of(summary.received_at);
    if arguments.json {
        return printer.found(found).map(drop);
    }
    let (kind, source) = (ui::shorten(&summary.event_type, 100), ui::shorten(&summary.source, 60));
    let day = summary.received_at.strftime("%Y-%m-%d");
    let mut out = anstream::stdout();
    writeln!(out, "{} from {source}, {}, received on {day} (UTC)", kind.bold(), ui::plain(&summary.status))?;
    writeln!(out, "correlation id {}\n", ui::plain(&detail.correlation_id))?;
    printer.found(found)?;
    let outlook = timeline::outlook(&detail, clock::now(), &arguments.stage.stage.option());
    Ok(writeln!(out, "\n{outlook}")?)
}

/// What the stage has of it, with the alerts that are, or were, open about its like: an alert knows no executions.
async fn known(
    operate: impl AsyncFn(Operation) -> anyhow::Result<Outcome>,
    id: Uuid,
) -> anyhow::Result<(ExecutionDetail, Vec<Alert>)> {
    let Outcome::Execution(detail) = operate(Operation::ShowExecution { id }).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    let listed = operate(Operation::ListAlerts { state: AlertState::All, limit: 200, after: None }).await;
    let alerts = match listed {
        Ok(Outcome::Alerts(page)) => Ok(page.alerts),
        Ok(_) => Err(anyhow::anyhow!("{}", stage::UNEXPECTED)),
        Err(error) => Err(error),
    };
    let mut alerts = or_without("the alerts", alerts).unwrap_or_default();
    alerts.retain(|alert| timeline::is_about(alert, &detail));
    Ok((*detail, alerts))
}

/// What is missing is said: the rest is worth showing.
fn or_without<T>(what: &str, found: anyhow::Result<T>) -> Option<T> {
    found.inspect_err(|error| ui::note(&format!("without {what}: {error:#}"))).ok()
}

/// When its lines may have been written; `last` is the last thing that is known of it. While more can come, there is no end.
fn window(detail: &ExecutionDetail, last: Timestamp) -> (Timestamp, Option<Timestamp>) {
    let received = detail.summary.received_at;
    let requested = requested_at(detail).map_or(received, |at| at.min(received));
    let until = if timeline::is_unfinished(detail) { None } else { last.checked_add(AFTER).ok() };
    (requested.checked_sub(BEFORE).unwrap_or(requested), until)
}

/// When its request came, as far as that is known. It was received when it was first taken on, and what cannot be taken on waits in a
/// queue. The door's own correlation ids have the time in them; that of a caller may have any.
fn requested_at(detail: &ExecutionDetail) -> Option<Timestamp> {
    let within = |most: SignedDuration| move |at: &Timestamp| detail.summary.received_at.duration_since(*at) <= most;
    let by_id = made_at(&detail.correlation_id).filter(within(KEPT));
    by_id.or_else(|| detail.occurred_at.filter(within(RETRIED)))
}

/// The time in an id that has one (UUID version 7).
fn made_at(id: &str) -> Option<Timestamp> {
    let id = Uuid::try_parse(id).ok().filter(|id| id.get_version_num() == 7)?;
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::timeline::tests::{at, detail, effect};

    /// 2026-11-24T10:00:00Z
    const RECEIVED: i64 = 1_795_514_400;

    fn received(correlation_id: &str, occurred: Option<i64>) -> ExecutionDetail {
        let mut detail = detail("completed");
        (detail.correlation_id, detail.occurred_at) = (correlation_id.into(), occurred.map(at));
        (detail.summary.received_at, detail.effects) = (at(RECEIVED), Vec::new());
        detail
    }

    fn id_of(second: i64) -> String {
        let seconds = u64::try_from(second).unwrap();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)).to_string()
    }

    /// How long before it was received its lines are looked for, in seconds.
    fn before(correlation_id: &str, occurred: Option<i64>) -> i64 {
        let (since, _) = window(&received(correlation_id, occurred), at(RECEIVED));
        RECEIVED - since.as_second()
    }

    #[test]
    fn its_lines_begin_with_its_request() {
        assert_eq!(before("theirs", None), 60);
        assert_eq!(before(&id_of(RECEIVED - 1_200), None), 1_260, "it waited in the queue");
        assert_eq!(before(&id_of(RECEIVED - 1_200), Some(RECEIVED - 9_000)), 1_260, "the id knows better");
        assert_eq!(before(&id_of(RECEIVED + 5), None), 60, "another clock");
        assert_eq!(before("theirs", Some(RECEIVED - 1_200)), 1_260);
        assert_eq!(before("theirs", Some(RECEIVED + 30)), 60);
        assert_eq!(before("theirs", Some(RECEIVED - 15 * 3_600)), 60, "too long ago to have waited since");
        assert_eq!(before(&id_of(1_000), Some(RECEIVED - 1_200)), 1_260, "a caller's id that means no time");
        let without_time = Uuid::nil().to_string();
        assert_eq!(before(&without_time, Some(RECEIVED - 1_200)), 1_260);
    }

    #[test]
    fn its_lines_end_when_nothing_more_can_come() {
        let until = |status: &str, effects: &[(&str, Option<i64>)]| {
            let mut detail = received("c", None);
            detail.summary.status = status.into();
            detail.effects = effects.iter().map(|(status, finished)| effect(status, *finished)).collect();
            window(&detail, at(RECEIVED + 5)).1.map(|until| until.as_second() - RECEIVED)
        };
        assert_eq!(until("completed", &[]), Some(605));
        assert_eq!(until("dead", &[("dead", Some(RECEIVED))]), Some(605));
        assert_eq!(until("completed", &[("delivered", Some(RECEIVED)), ("sent", None)]), None);
        assert_eq!((until("processing", &[]), until("failed", &[])), (None, None));
    }

    #[tokio::test]
    async fn it_is_shown_without_the_alerts_when_they_cannot_be_listed() {
        let operate = async |operation: Operation| match operation {
            Operation::ShowExecution { .. } => Ok(Outcome::Execution(Box::new(detail("dead")))),
            _ => bail!("the alerts are locked"),
        };
        let (detail, alerts) = known(operate, Uuid::nil()).await.unwrap();
        assert!(detail.summary.status == "dead" && alerts.is_empty());
        let without = async |_: Operation| bail!("it is not there");
        assert!(known(without, Uuid::nil()).await.is_err(), "without the execution there is nothing to show");
    }
}

//! What is asked of CloudWatch, and following it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wanted(correlation_id: Option<&str>, level: Level) -> Wanted {
    let correlation_id = correlation_id.map(Into::into);
    Wanted { functions: BTreeSet::new(), correlation_id, level, since: at(5), until: None }
}

/// A CloudWatch: each log has lines, one for each of these seconds.
#[derive(Default)]
struct Logs {
    logged: RefCell<Vec<(&'static str, i64)>>,
    on_a_page: usize,
    broken: Cell<Option<&'static str>>,
    asked: RefCell<Vec<Value>>,
}

impl Logs {
    fn log(&self, group: &'static str, seconds: impl IntoIterator<Item = i64>) {
        self.logged.borrow_mut().extend(seconds.into_iter().map(|second| (group, second)));
    }

    /// When the lines had to begin that each request asked for, in seconds.
    fn starts(&self) -> Vec<i64> {
        self.asked.take().iter().map(|request| request["startTime"].as_i64().unwrap() / 1_000).collect()
    }
}

impl Pages for &Logs {
    async fn page(&self, group: &Group, request: &Value) -> anyhow::Result<Option<Value>> {
        self.asked.borrow_mut().push(request.clone());
        anyhow::ensure!(self.broken.get() != Some(&*group.name), "{} is broken", group.name);
        let start = request["startTime"].as_i64().unwrap();
        let mut fit: Vec<_> = self.logged.borrow().iter().filter(|it| it.0 == group.name).map(|it| it.1).collect();
        fit.retain(|second| second * 1_000 >= start);
        fit.sort_unstable();
        let from: usize = request["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let event = |second: &i64| {
            let line = json!({"timestamp": at(*second), "level": "INFO", "message": second.to_string()});
            json!({"eventId": format!("{}-{second}", group.name), "timestamp": second * 1_000, "message": line.to_string()})
        };
        let events: Vec<_> = fit.iter().skip(from).take(self.on_a_page).map(event).collect();
        let to = from + self.on_a_page;
        let next = (to < fit.len()).then(|| to.to_string());
        Ok(Some(json!({"events": events, "nextToken": next})))
    }
}

fn remote<'l>(logs: &'l Logs, groups: &[&str]) -> Remote<&'l Logs> {
    let group = |name: &&str| Group::of(name);
    Remote::of(logs, groups.iter().map(group).collect(), &wanted(None, Level::Debug))
}

fn seconds(lines: &[Line]) -> Vec<i64> {
    lines.iter().map(|line| line.at.as_second()).collect()
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
    let first = request("g", &wanted, &Ask { since: 5_000, token: None });
    assert_eq!((first["startTime"].as_i64(), first.get("endTime"), first.get("nextToken")), (Some(5_000), None, None));
    wanted.until = Some(at(9));
    let next = request("g", &wanted, &Ask { since: 5_000, token: Some("t".into()) });
    assert_eq!((next["endTime"].as_i64(), next["nextToken"].as_str()), (Some(9_001), Some("t")));
}

/// More lines than one would remember by their number.
#[tokio::test]
async fn following_reads_the_last_moments_only_and_tells_no_line_twice() {
    let wanted = wanted(None, Level::Debug);
    let logs = Logs { on_a_page: 10_000, ..Logs::default() };
    logs.log("worker", 10..30_000);
    let mut remote = remote(&logs, &["worker", "courier"]);
    let found = remote.all(&wanted, 7, at(30_000)).await.unwrap();
    assert_eq!((seconds(&found.newest.in_order().0).len(), found.unread.len()), (7, 0));
    assert!(logs.starts().iter().all(|start| *start == 5));
    logs.log("worker", [30_001]);
    let look = remote.more(&wanted, at(30_003)).await;
    assert_eq!((seconds(&look.lines), look.trouble), (vec![30_001], None));
    assert_eq!(logs.starts(), [29_980, 29_980], "the whole time is not read again");
    // It was logged before that look, and came after it.
    logs.log("courier", [29_990]);
    assert_eq!(seconds(&remote.more(&wanted, at(30_006)).await.lines), [29_990]);
    assert_eq!(logs.starts(), [29_983, 29_983]);
}

#[tokio::test]
async fn following_goes_on_at_the_end_of_what_was_not_read_whole() {
    let wanted = wanted(None, Level::Debug);
    let logs = Logs { on_a_page: 10, ..Logs::default() };
    logs.log("worker", 10..1_000);
    let mut remote = remote(&logs, &["worker"]);
    let found = remote.all(&wanted, 1_000, at(1_000)).await.unwrap();
    assert_eq!((found.newest.in_order().0.len(), found.unread.as_slice()), (400, &["worker".to_owned()][..]));
    logs.log("worker", [1_001]);
    let look = remote.more(&wanted, at(1_003)).await;
    assert_eq!((seconds(&look.lines), look.trouble), ((980..1_000).chain([1_001]).collect(), None));
}

#[tokio::test]
async fn a_log_that_grows_faster_than_a_look_reads_is_followed_to_its_end() {
    let wanted = wanted(None, Level::Debug);
    let logs = Logs { on_a_page: 1, ..Logs::default() };
    let mut remote = remote(&logs, &["worker", "courier"]);
    remote.all(&wanted, 10, at(1_000)).await.unwrap();
    logs.log("worker", 1_001..1_101);
    logs.log("courier", [1_050]);
    let mut told = Vec::new();
    for (now, late) in [(1_101, true), (1_104, true), (1_107, false), (1_110, false)] {
        let look = remote.more(&wanted, at(now)).await;
        assert_eq!(look.trouble.is_some_and(|trouble| trouble.starts_with("worker logs more")), late, "{now}");
        told.extend(seconds(&look.lines));
    }
    let mut expected: Vec<_> = (1_001..1_101).chain([1_050]).collect();
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected, "each of them, and once");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_keeps_no_other_back() {
    let wanted = wanted(None, Level::Debug);
    let logs = Logs { on_a_page: 10, ..Logs::default() };
    let mut remote = remote(&logs, &["worker", "courier"]);
    remote.all(&wanted, 10, at(1_000)).await.unwrap();
    logs.log("worker", [1_001]);
    logs.log("courier", [1_002]);
    logs.broken.set(Some("courier"));
    let look = remote.more(&wanted, at(1_003)).await;
    assert_eq!(seconds(&look.lines), [1_001]);
    assert_eq!(look.trouble.unwrap(), "courier is broken; trying again");
    logs.broken.set(None);
    let look = remote.more(&wanted, at(1_063)).await;
    assert_eq!((seconds(&look.lines), look.trouble), (vec![1_002], None));
}

/// They have a minute together, and those that are asked first may take it all.
#[tokio::test]
async fn every_log_is_asked_first_once() {
    let logs = Logs { on_a_page: 10, ..Logs::default() };
    let names: Vec<_> = (0..7).map(|number| number.to_string()).collect();
    let mut remote = remote(&logs, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut first = BTreeSet::new();
    for _ in 0..7 {
        remote.more(&wanted(None, Level::Debug), at(1_000)).await;
        first.insert(logs.asked.take()[0]["logGroupName"].as_str().unwrap().to_owned());
    }
    assert_eq!(first.len(), 7);
}

//! GitHub's `push` (<https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>): a branch is at a new commit.
//!
//! Tags and deleted branches are pushes too to GitHub; there is nothing to do for them here.

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};
use shared::events::{Decoded, Envelope, Event, Fields, InvalidPayload, is_storable};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// `owner/name`
    pub repository: String,
    pub branch: String,
    pub head_commit: String,
    /// How many commits came with it; GitHub lists 2,048 at most.
    pub commits: i32,
    pub pusher: String,
    pub pushed_at: Timestamp,
}

/// In bytes. GitHub allows 140 for a repository's owner and name, git about 250 for a branch; an index entry has 2,700.
const LONGEST_NAME: usize = 1_000;

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    pushed_at: Option<Time>,
}

/// Seconds since 1970 in a push, text in GitHub's other events.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(i64),
    Text(Timestamp),
}

#[derive(Deserialize)]
struct Pusher {
    name: String,
}

#[derive(Deserialize)]
struct Commit {
    timestamp: Timestamp,
}

impl Event for Push {
    const TYPE: &'static str = "push";

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        let mut fields = Fields::of(&envelope.data)?;
        let reference: Option<String> = fields.required("ref");
        let deleted: Option<bool> = fields.required("deleted");
        if reference.as_ref().is_some_and(|reference| !reference.starts_with("refs/heads/")) || deleted == Some(true) {
            return Ok(Decoded::Nothing);
        }
        let after: Option<String> = fields.required("after");
        let commits: Option<Vec<IgnoredAny>> = fields.required("commits");
        let repository: Option<Repository> = fields.required("repository");
        let pusher: Option<Pusher> = fields.required("pusher");
        let head: Option<Option<Commit>> = fields.optional("head_commit");

        let branch = reference.and_then(|reference| reference.strip_prefix("refs/heads/").map(str::to_owned));
        if after.as_ref().is_some_and(|after| !is_commit(after)) {
            fields.reject("after", "is no commit: 40 or 64 hexadecimal digits in lower case");
        }
        if branch.as_ref().is_some_and(|branch| !is_name(branch)) {
            fields.reject("ref", "has no branch, or one longer than 1000 bytes");
        }
        if repository.as_ref().is_some_and(|repository| !is_name(&repository.full_name)) {
            fields.reject("repository/full_name", "is empty, or longer than 1000 bytes");
        }
        let pushed_at = repository.as_ref().and_then(|repository| repository.pushed_at.as_ref()?.timestamp());
        let pushed_at = pushed_at.or(head.flatten().map(|head| head.timestamp)).filter(is_storable);
        if repository.is_some() && pushed_at.is_none() {
            fields.reject("repository/pushed_at", "is no time, and there is no head commit to take it from");
        }
        fields.finish(|| {
            Some(Decoded::Event(Self {
                repository: repository?.full_name,
                branch: branch?,
                head_commit: after?,
                commits: i32::try_from(commits?.len()).ok()?,
                pusher: pusher?.name,
                pushed_at: pushed_at?,
            }))
        })
    }
}

impl Time {
    fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Seconds(seconds) => Timestamp::from_second(*seconds).ok(),
            Self::Text(time) => Some(*time),
        }
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        serde_json::from_str(include_str!("../../fixtures/github/push.json")).unwrap()
    }

    fn decode(body: Value) -> Result<Decoded<Push>, InvalidPayload> {
        Push::decode(&Envelope::new("github", "delivery", "push", 1, body, b"{}").unwrap())
    }

    #[test]
    fn githubs_own_shape() {
        let expected = Push {
            repository: "acme/website".into(),
            branch: "main".into(),
            head_commit: "b82e07a6d1c54f3390ab6e7d5c21f08e94d3a7b6".into(),
            commits: 2,
            pusher: "ada-example".into(),
            pushed_at: Timestamp::from_second(1_795_186_000).unwrap(),
        };
        assert_eq!(decode(body()), Ok(Decoded::Event(expected.clone())));

        let mut slashes = body();
        slashes["ref"] = json!("refs/heads/feature/a/b");
        slashes["repository"]["pushed_at"] = json!("2026-11-20T14:46:40Z");
        assert_eq!(decode(slashes), Ok(Decoded::Event(Push { branch: "feature/a/b".into(), ..expected.clone() })));

        let mut without = body();
        without["repository"]["pushed_at"] = Value::Null;
        let pushed_at = "2026-11-20T15:04:11Z".parse().unwrap();
        assert_eq!(decode(without), Ok(Decoded::Event(Push { pushed_at, ..expected })), "the head commit's time");
    }

    #[test]
    fn tags_and_deletions_ask_for_nothing() {
        let mut tag = body();
        tag["ref"] = json!("refs/tags/v1.0");
        assert_eq!(decode(tag), Ok(Decoded::Nothing));
        let mut deletion = body();
        deletion["deleted"] = json!(true);
        deletion["after"] = json!("0".repeat(40));
        deletion["head_commit"] = Value::Null;
        assert_eq!(decode(deletion), Ok(Decoded::Nothing));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let faults = |path: &str, value: Value| {
            let mut body = body();
            *body.pointer_mut(path).unwrap() = value;
            decode(body).unwrap_err().fields()
        };
        assert_eq!(faults("/after", json!("HEAD")), "/after");
        assert_eq!(faults("/ref", json!("refs/heads/")), "/ref");
        assert_eq!(faults("/ref", json!(format!("refs/heads/{}", "x".repeat(1_001)))), "/ref");
        assert_eq!(faults("/repository/full_name", json!(7)), "/repository/full_name");
        assert_eq!(faults("/repository/full_name", json!("")), "/repository/full_name");
        assert_eq!(faults("/repository/pushed_at", json!(true)), "/repository/pushed_at");
        let mut timeless = body();
        timeless["repository"]["pushed_at"] = json!(-9_000_000_000_000_i64);
        timeless["head_commit"] = Value::Null;
        assert_eq!(decode(timeless).unwrap_err().fields(), "/repository/pushed_at");
        assert_eq!(faults("/pusher", json!({})), "/pusher");
        assert_eq!(decode(json!([])).unwrap_err().fields(), "");
        let all = decode(json!({})).unwrap_err().fields();
        assert_eq!(all, "/ref /deleted /after /commits /repository /pusher");
    }
}

//! What `template.yaml` says about routes, schedules and queues, so that what fires here is what fires in the cloud.
//!
//! Deliberately absent: everything else in the template. The emulators have neither networks nor roles.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::times::Times;
use crate::{
    project::Project,
    template::{Function, Template},
};

/// What the local stack takes from the template.
#[derive(Debug)]
pub struct Wiring {
    /// Paths of the HTTP API, and the binaries behind them.
    pub routes: BTreeMap<String, String>,
    pub schedules: Vec<Schedule>,
    pub feeds: Vec<Feed>,
    queues: BTreeMap<String, QueueSettings>,
}

/// A function that is invoked again and again with the same input.
#[derive(Debug)]
pub struct Schedule {
    /// Its binary.
    pub function: String,
    pub times: Times,
    pub input: Value,
}

/// A function that is handed a queue's messages.
#[derive(Debug)]
pub struct Feed {
    /// The queue's logical id.
    pub queue: String,
    pub function: String,
    pub batch: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// After so long, a message that was handed out and not taken off comes again.
    pub visibility: Duration,
    /// How often a message may be received before it goes to the dead-letter queue.
    pub receives: u32,
}

impl Wiring {
    /// Of this clone. Refuses a template whose routes are not those of the functions' emulator, which has its own list.
    pub fn of(project: &Project) -> anyhow::Result<Self> {
        let wiring = Self::read(&Template::read(&project.root.join("template.yaml"))?)?;
        let text = std::fs::read_to_string(project.root.join("Cargo.toml")).context("Cargo.toml cannot be read")?;
        wiring.check_routes(&text)?;
        Ok(wiring)
    }

    fn read(template: &Template) -> anyhow::Result<Self> {
        let queues = queues(template)?;
        let mut wiring = Self { routes: BTreeMap::new(), schedules: Vec::new(), feeds: Vec::new(), queues };
        for function in template.functions() {
            let events = function.properties["Events"].as_object().into_iter().flatten();
            for (name, event) in events {
                let problem = || format!("the event {name} of {} in template.yaml", function.id);
                wiring.add(function, event).with_context(problem)?;
            }
        }
        Ok(wiring)
    }

    fn add(&mut self, function: Function<'_>, event: &Value) -> anyhow::Result<()> {
        let binary = function.binary.context("the function names no binary")?.to_owned();
        let properties = &event["Properties"];
        match event["Type"].as_str() {
            Some("HttpApi") => {
                let path = properties["Path"].as_str().context("it has no path")?.to_owned();
                ensure!(self.routes.insert(path.clone(), binary).is_none(), "{path} is there twice");
            }
            Some("ScheduleV2") => {
                let text = |key: &str| properties[key].as_str().with_context(|| format!("it has no {key}"));
                let times = Times::parse(text("ScheduleExpression")?)?;
                let input = serde_json::from_str(text("Input")?).context("its Input is not JSON")?;
                self.schedules.push(Schedule { function: binary, times, input });
            }
            Some("SQS") => {
                let queue =
                    properties["Queue"]["Fn::GetAtt"][0].as_str().context("it names no queue of the template")?;
                ensure!(self.queues.contains_key(queue), "{queue} has no dead-letter queue, or is not there");
                let batch = properties["BatchSize"].as_i64().and_then(|size| size.try_into().ok());
                let batch = batch.filter(|size| (1..=10).contains(size)).context("its BatchSize is not 1 to 10")?;
                self.feeds.push(Feed { queue: queue.to_owned(), function: binary, batch });
            }
            other => bail!("it is of a type that the local stack does not know: {other:?}"),
        }
        Ok(())
    }

    /// Of the queue with this logical id.
    pub fn queue(&self, id: &str) -> anyhow::Result<QueueSettings> {
        self.queues
            .get(id)
            .copied()
            .with_context(|| format!("template.yaml has no queue {id} with a dead-letter queue"))
    }

    fn check_routes(&self, cargo_toml: &str) -> anyhow::Result<()> {
        let manifest: toml::Table = cargo_toml.parse().context("Cargo.toml cannot be understood")?;
        let router = ["workspace", "metadata", "lambda", "watch", "router"]
            .iter()
            .try_fold(&toml::Value::Table(manifest), |value, key| value.get(*key))
            .and_then(toml::Value::as_table)
            .cloned()
            .unwrap_or_default();
        let here: BTreeMap<_, _> =
            router.iter().filter_map(|(path, name)| Some((path.as_str(), name.as_str()?))).collect();
        let there: BTreeMap<_, _> = self.routes.iter().map(|(path, name)| (path.as_str(), name.as_str())).collect();
        let differing = here.iter().chain(&there).find(|(path, _)| here.get(*path) != there.get(*path));
        if let Some((path, _)) = differing {
            bail!(
                "template.yaml and [workspace.metadata.lambda.watch.router] in Cargo.toml differ in the route {path}: \
                 {} and {}",
                there.get(path).unwrap_or(&"nothing"),
                here.get(path).unwrap_or(&"nothing"),
            );
        }
        Ok(())
    }
}

fn queues(template: &Template) -> anyhow::Result<BTreeMap<String, QueueSettings>> {
    let resources = template.value["Resources"].as_object().into_iter().flatten();
    let queues = resources.filter(|(_, resource)| {
        resource["Type"] == "AWS::SQS::Queue" && !resource["Properties"]["RedrivePolicy"].is_null()
    });
    queues
        .map(|(id, resource)| {
            let properties = &resource["Properties"];
            let number = |value: &Value, what: &str| {
                value.as_u64().with_context(|| format!("the queue {id} in template.yaml has no {what}"))
            };
            let visibility = Duration::from_secs(number(&properties["VisibilityTimeout"], "VisibilityTimeout")?);
            let receives = number(&properties["RedrivePolicy"]["maxReceiveCount"], "maxReceiveCount")?;
            Ok((id.clone(), QueueSettings { visibility, receives: receives.try_into()? }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;
    use shared::jobs;

    use super::*;

    const CARGO: &str = include_str!("../../../Cargo.toml");

    fn with(change: impl FnOnce(&mut Value)) -> anyhow::Result<Wiring> {
        let mut template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        change(&mut template.value["Resources"]);
        let wiring = Wiring::read(&template)?;
        wiring.check_routes(CARGO)?;
        Ok(wiring)
    }

    #[test]
    fn this_template_is_understood() {
        let wiring = with(|_| {}).unwrap();
        assert_eq!(wiring.routes["/webhooks/{provider}"], "webhooks");
        let tick = wiring.schedules.iter().find(|schedule| schedule.input == json!({"job": "tick"})).unwrap();
        assert!(matches!(tick.times, Times::Every(every) if every == Duration::from_mins(1)), "{tick:?}");
        assert_eq!(tick.function, "worker");
        let drill = wiring.schedules.iter().find(|schedule| schedule.input == json!({"job": "drill"})).unwrap();
        assert_eq!(drill.function, "backup");
        let feeds: Vec<_> = wiring.feeds.iter().map(|feed| (feed.queue.as_str(), feed.function.as_str())).collect();
        assert_eq!(feeds, [("Outbound", "courier"), ("Inbox", "worker")]);
        assert!(wiring.queue("Inbox").unwrap().visibility > Duration::from_secs(90));
    }

    #[test]
    fn what_the_local_stack_would_do_otherwise_is_refused() {
        let faults = [
            ("/Health/Properties/Events/Ready/Properties/Path", json!("/ready"), "/health/ready"),
            ("/Webhooks/Metadata/BuildProperties/Binary", json!("hooks"), "/events"),
            ("/Worker/Properties/Events/Tick/Properties/Input", json!("{job}"), "its Input is not JSON"),
            ("/Worker/Properties/Events/Tick/Properties/ScheduleExpression", json!("rate(1)"), "no schedule"),
            (
                "/Cleanup/Properties/Events/Daily/Properties/ScheduleExpression",
                json!("cron(0 4 * * * *)"),
                "the event Daily of Cleanup",
            ),
            ("/Worker/Properties/Events/Tick/Type", json!("Schedule"), "does not know"),
            ("/Worker/Properties/Events/Inbox/Properties/BatchSize", json!(11), "BatchSize"),
            ("/Inbox/Properties/RedrivePolicy", json!(null), "Inbox has no dead-letter"),
        ];
        for (place, fault, words) in faults {
            let error = with(|all| *all.pointer_mut(place).unwrap() = fault).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{words:?} in {error:#}");
        }
    }

    /// As many schedules as jobs, each at its job's function, and often enough that a job on time is never late.
    #[test]
    fn every_job_has_its_schedule() {
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let schedules = Wiring::read(&template).unwrap().schedules;
        assert_eq!(schedules.len(), jobs::ALL.len());
        for job in jobs::ALL {
            let its: Vec<_> = schedules.iter().filter(|schedule| schedule.input == json!({"job": job.name})).collect();
            let [schedule] = its[..] else { panic!("{} has {} schedules", job.name, its.len()) };
            // Three functions have one binary.
            let events = template.value["Resources"][job.function]["Properties"]["Events"].as_object().unwrap();
            let is_its = |event: &Value| event["Properties"]["Input"] == format!("{{\"job\": \"{}\"}}", job.name);
            assert!(events.values().any(is_its), "{} is not at {}", job.name, job.function);
            let longest = longest_gap(&schedule.times);
            assert!(longest <= job.period, "{}: {longest:?} is more than {:?}", job.name, job.period);
        }
    }

    /// Between two times in a row, over ten years.
    fn longest_gap(times: &Times) -> Duration {
        let mut last = "2026-01-01T00:00:00Z".parse().unwrap();
        let end: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
        let (mut longest, mut first) = (Duration::ZERO, true);
        if let Times::Every(every) = times {
            return *every;
        }
        while let Some(time) = times.after(last).filter(|time| *time < end) {
            if !first {
                longest = longest.max(time.duration_since(last).unsigned_abs());
            }
            (last, first) = (time, false);
        }
        longest
    }
}

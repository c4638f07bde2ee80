//! One run on one screen: the cluster and its settings, the faults that were injected, what became of members and
//! clients.
//!
//! It is made of the case, the counts of the run, and the events of its trace, which must have been kept.

mod settings;
mod table;

use crate::case::Case;
use crate::history::ClientCounts;
use crate::run::Report;
use crate::runner::{Broken, Observed};
use crate::trace::{Event, Shape};
use crate::workload::Role;
use detcd_engine::probes::PROBES;
use std::collections::BTreeMap;
use std::fmt::Write;
use table::{Side, Table};

/// Faults in one line.
const FAULTS_A_LINE: usize = 4;

/// A run, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// What was run.
    pub case: &'a Case,
    /// What it came to.
    pub outcome: &'a Result<Report, Broken>,
    /// What was counted.
    pub observed: &'a Observed,
    /// Every event, in order.
    pub events: &'a [Event],
}

impl Summary<'_> {
    /// As text, with a newline at its end.
    pub fn text(&self) -> String {
        let mut sections = vec![self.verdict() + &settings::text(self.case), self.faults()];
        sections.push(format!("{}{}", self.members(), self.leaders()));
        sections.push(self.clients());
        sections.push(self.totals());
        sections.join("\n")
    }

    fn verdict(&self) -> String {
        let seed = self.case.swarm.seed.0;
        let seconds = self.events.last().map_or(0.0, |event| event.at.as_secs_f64());
        match self.outcome {
            Ok(_) => format!("seed {seed} kept every promise in {seconds:.1} simulated seconds\n\n"),
            Err(broken) => {
                format!("seed {seed} broke {} after {seconds:.4} simulated seconds\n\n", broken.name())
            }
        }
    }

    /// Each kind of fault with how many were injected, and of how many planned where the run ended before.
    fn faults(&self) -> String {
        let mut injected = self.events.iter().filter(|event| event.place == "nemesis").peekable();
        let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for planned in &self.case.swarm.plan.faults {
            let (done, all) = kinds.entry(planned.fault.name()).or_default();
            *all += 1;
            // They are injected in the order of the plan.
            let what = format!("{:?}", planned.fault);
            *done += usize::from(injected.next_if(|event| event.what == what).is_some());
        }
        let (done, all) = kinds.values().fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1));
        let mut text = format!("faults: {}\n", of(done, all));
        let mut table = Table::new([Side::Left, Side::Right].repeat(FAULTS_A_LINE));
        let kinds: Vec<_> = kinds.into_iter().collect();
        for line in kinds.chunks(FAULTS_A_LINE) {
            table.row(line.iter().flat_map(|(name, (done, all))| [(*name).to_owned(), of(*done, *all)]));
        }
        write!(text, "{}", table.text("  ")).expect("a string takes all");
        text
    }

    /// How often each member started, went down and led, and how it stood at the end.
    fn members(&self) -> String {
        let mut table = Table::new([Side::Left].into_iter().chain([Side::Right; 6]).chain([Side::Left]));
        let head = ["member", "starts", "power losses", "kills", "stops", "exits", "led", "at the end"];
        table.row(head.map(str::to_owned));
        for place in 0..self.case.swarm.members {
            let name = format!("m{place}");
            let events = || self.events.iter().filter(|event| event.place == name);
            let downs = |words: &str| {
                let of_words = events()
                    .filter(|event| event.shape == Shape::Begins("down") && event.what.starts_with(words));
                of_words.count().to_string()
            };
            let count = |shape: &Shape| events().filter(|event| event.shape == *shape).count().to_string();
            table.row([
                name.clone(),
                count(&Shape::Ends("down")),
                downs("loses power"),
                downs("ends at once"),
                downs("stopped in order"),
                downs("ends, "),
                count(&Shape::Begins("leads")),
                state_at_the_end(events()),
            ]);
        }
        table.text("")
    }

    fn leaders(&self) -> String {
        let leaders: Vec<&Event> =
            self.events.iter().filter(|event| event.shape == Shape::Begins("leads")).collect();
        match leaders.last() {
            Some(last) => {
                let (count, place) = (counted(leaders.len(), "leader"), &last.place);
                format!("{count}, the last {place}, which {}\n", last.what)
            }
            None => "no leader\n".to_owned(),
        }
    }

    /// Clients of a role together.
    fn clients(&self) -> String {
        let mut roles: BTreeMap<Role, (usize, ClientCounts)> = BTreeMap::new();
        for (place, role) in self.case.swarm.load.clients.iter().enumerate() {
            let (clients, sum) = roles.entry(*role).or_default();
            *clients += 1;
            *sum += self.observed.clients.get(place).copied().unwrap_or_default();
        }
        let mut table = Table::new([Side::Left].into_iter().chain([Side::Right; 8]));
        let head =
            ["role", "clients", "calls", "done", "refused", "not done", "unknown", "watches", "responses"];
        table.row(head.map(str::to_owned));
        let mut total = (0, ClientCounts::default());
        let row = |role: String, clients: usize, counts: ClientCounts| {
            let ClientCounts { done, refused, not_done, unknown, streams, responses } = counts;
            let numbers = [clients, counts.calls(), done, refused, not_done, unknown, streams, responses];
            [role].into_iter().chain(numbers.map(|number| number.to_string()))
        };
        for (role, (clients, counts)) in roles {
            total.0 += clients;
            total.1 += counts;
            table.row(row(format!("{role:?}").to_lowercase(), clients, counts));
        }
        table.row(row("all".to_owned(), total.0, total.1));
        table.text("")
    }

    fn totals(&self) -> String {
        let Observed { probes, frames, .. } = self.observed;
        let hash = self.events.last().map_or(0, |event| event.link);
        let (delivered, lost) = (frames.delivered, frames.lost + frames.overflowed);
        let mut table = Table::new([Side::Left; 2]);
        for (what, text) in [
            ("frames", format!("{delivered} delivered, {lost} lost, {} refused", frames.refused)),
            ("probes", format!("{} of {} reached", probes.len(), PROBES.len())),
            ("trace", format!("{hash:032x} ({} events)", self.events.len())),
        ] {
            table.row([what.to_owned(), text]);
        }
        table.text("")
    }
}

/// Of what the trace says of a member, the last word on whether it is up and leads.
fn state_at_the_end<'a>(events: impl Iterator<Item = &'a Event>) -> String {
    let (mut state, mut has_disk) = ("never started", true);
    for event in events {
        state = match event.shape {
            Shape::Begins("down") => "down",
            Shape::Ends("down") => "up",
            Shape::Begins("leads") => "leads",
            Shape::Ends("leads") if state == "leads" => "up",
            _ => state,
        };
        has_disk &= event.what != "has lost its disk";
    }
    if has_disk { state.to_owned() } else { format!("{state}, lost its disk") }
}

/// A count where all were done, and `done/all` where not.
fn of(done: usize, all: usize) -> String {
    if done == all { all.to_string() } else { format!("{done}/{all}") }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;

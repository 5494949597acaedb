//! LATENCY: moments in which commands took long, and how long they take in general.
//!
//! Moments are kept by event (`command`, and `fast-command` for those that should never take long): the longest of each
//! second in which one took at least `latency-monitor-threshold` milliseconds. How long commands take in general is counted
//! in [`histogram`], by the same hand that counts the calls.

mod graph;
pub(super) mod histogram;

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use super::{Args, CmdError, CmdResult, Command, Context, Flags, Names, table};
use crate::resp::Reply;

/// How many moments are kept of each event.
const MOST_SAMPLES: usize = 160;

/// The moments, by event.
#[derive(Default)]
pub struct Spikes(Mutex<BTreeMap<&'static str, Spike>>);

/// One event's moments.
#[derive(Clone, Default)]
struct Spike {
    /// Seconds since the Unix epoch, and milliseconds: oldest first, no second twice.
    samples: VecDeque<(i64, u64)>,
    /// The longest since the start or the last reset, in milliseconds.
    longest: u64,
}

/// The event of a command that took long.
pub(super) fn event(command: &Command) -> &'static str {
    if command.flags.contains(Flags::FAST) {
        "fast-command"
    } else {
        "command"
    }
}

impl Spikes {
    /// Something took `milliseconds`, and ended at `now_ms`.
    pub fn add(&self, event: &'static str, now_ms: i64, milliseconds: u64) {
        let second = now_ms / 1000;
        let mut spikes = self.0.lock();
        let spike = spikes.entry(event).or_default();
        spike.longest = spike.longest.max(milliseconds);
        match spike.samples.back_mut() {
            Some((last, longest)) if *last == second => *longest = milliseconds.max(*longest),
            _ => {
                if spike.samples.len() == MOST_SAMPLES {
                    spike.samples.pop_front();
                }
                spike.samples.push_back((second, milliseconds));
            }
        }
    }

    fn of(&self, event: &[u8]) -> Option<Spike> {
        let event = std::str::from_utf8(event).ok()?;
        self.0.lock().get(event).cloned()
    }
}

/// `LATENCY LATEST`: of each event, when it was last, how long it took then, and the longest ever.
pub(super) fn latest(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let spikes = cx.world.spikes.0.lock();
    let events = spikes.iter().map(|(event, spike)| {
        let (at, took) = spike.samples.back().copied().unwrap_or_default();
        Reply::Array(vec![
            Reply::bulk(*event),
            Reply::Integer(at),
            Reply::Integer(took as i64),
            Reply::Integer(spike.longest as i64),
        ])
    });
    Ok(Reply::Array(events.collect()))
}

/// `LATENCY HISTORY event`: when it was, and how long it took.
pub(super) fn history(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let spike = cx.world.spikes.of(args.take()?).unwrap_or_default();
    let samples = spike
        .samples
        .iter()
        .map(|&(at, took)| Reply::Array(vec![Reply::Integer(at), Reply::Integer(took as i64)]));
    Ok(Reply::Array(samples.collect()))
}

/// `LATENCY RESET [event ...]`: forgets these, or all. How many there were.
pub(super) fn reset(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let mut spikes = cx.world.spikes.0.lock();
    let before = spikes.len();
    if args.is_empty() {
        spikes.clear();
    }
    for event in args.rest() {
        spikes.retain(|known, _| !known.as_bytes().eq_ignore_ascii_case(event));
    }
    Ok(Reply::Integer((before - spikes.len()) as i64))
}

/// `LATENCY GRAPH event`: the moments as a drawing.
pub(super) fn graph(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let event = args.take()?;
    let Some(spike) = cx.world.spikes.of(event) else {
        let mut text = b"ERR No samples available for event '".to_vec();
        text.extend_from_slice(event);
        text.push(b'\'');
        return Err(CmdError::Quoting(text));
    };
    let event = String::from_utf8_lossy(event);
    let text = graph::draw(&event, &spike, cx.now() / 1000);
    Ok(super::memory::text(text))
}

/// `LATENCY DOCTOR`: what can be said of the moments.
pub(super) fn doctor(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let spikes = cx.world.spikes.0.lock().clone();
    if cx.world.config.latency_monitor_threshold().is_none() && spikes.is_empty() {
        return Ok(super::memory::text(
            "I have nothing to say: no moments are kept. \"CONFIG SET latency-monitor-threshold <milliseconds>\" lets me see \
             what takes at least that long.\n"
                .into(),
        ));
    }
    if spikes.is_empty() {
        return Ok(super::memory::text(
            "Nothing took as long as latency-monitor-threshold asks for. All is well.\n".into(),
        ));
    }
    let mut text = String::from("Some things took long:\n\n");
    for (number, (event, spike)) in spikes.iter().enumerate() {
        let count = spike.samples.len().max(1) as u64;
        let average = spike.samples.iter().map(|(_, took)| took).sum::<u64>() / count;
        text += &format!(
            "{}. {event}: in {count} of the last seconds, {average} ms on average; {} ms at most.\n",
            number + 1,
            spike.longest
        );
    }
    text += "\n- SLOWLOG GET shows which commands they were.\n";
    if spikes.contains_key("fast-command") {
        text += "- Commands that do little work took long: the machine may be short of processors, or swap.\n";
    }
    Ok(super::memory::text(text))
}

/// `LATENCY HISTOGRAM [command ...]`: how many calls took how long, of these commands or of all.
///
/// Short commands are timed by sample, and each call that was timed stands for those since the one before it. So `calls`
/// may lack the last few.
pub(super) fn histogram(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let wanted: Vec<&'static Command> = if args.is_empty() {
        table::all().collect()
    } else {
        args.rest()
            .flat_map(|name| named(&cx.world.names, name))
            .collect()
    };
    let all = wanted.into_iter().filter_map(|command| {
        let counts = cx.world.calls.times(command)?;
        let limits = counts
            .doubling()
            .into_iter()
            .map(|(micros, calls)| (Reply::Integer(micros as i64), Reply::Integer(calls as i64)));
        let card = vec![
            (Reply::bulk("calls"), Reply::Integer(counts.calls() as i64)),
            (Reply::bulk("histogram_usec"), Reply::Map(limits.collect())),
        ];
        Some((Reply::bulk(command.name), Reply::Map(card)))
    });
    Ok(Reply::Map(all.collect()))
}

/// The command of this name and its subcommands, or the one subcommand (`config|get`).
fn named(names: &Names, name: &[u8]) -> Vec<&'static Command> {
    table::with_subcommands(names.by_full_name(name).into_iter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_longest_moment_and_old_ones_go() {
        let spikes = Spikes::default();
        for (now_ms, took) in [(1000, 5), (1500, 9), (1999, 7), (2000, 3)] {
            spikes.add("command", now_ms, took);
        }
        let spike = spikes.of(b"command").unwrap();
        assert_eq!(spike.samples, [(1, 9), (2, 3)]);
        assert_eq!(spike.longest, 9);
        (3..1000).for_each(|second| spikes.add("command", second * 1000, 1));
        let spike = spikes.of(b"command").unwrap();
        assert_eq!(spike.samples.len(), MOST_SAMPLES);
        assert_eq!(spike.longest, 9);
    }
}

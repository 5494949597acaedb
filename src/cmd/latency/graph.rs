//! LATENCY GRAPH's drawing: a column for each moment, and under it how long ago it was.

use super::Spike;

/// How high the drawing is, in lines, and what fills part of a line.
const LINES: usize = 4;
const LEVELS: [char; 3] = ['_', 'o', '#'];

/// Draws the moments of `event` as seen at `now`, in seconds since the Unix epoch.
pub(super) fn draw(event: &str, spike: &Spike, now: i64) -> String {
    let times = || spike.samples.iter().map(|&(_, took)| took);
    let (high, low) = (times().max().unwrap_or(0), times().min().unwrap_or(0));
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        spike.longest,
        "-".repeat(80)
    );
    let steps = LINES * LEVELS.len();
    let range = (high - low).max(1) as f64;
    let step = |took: u64| (((took - low) as f64 * steps as f64 / range) as usize).min(steps - 1);
    for line in 0..LINES {
        let base = (LINES - 1 - line) * LEVELS.len();
        text.extend(times().map(|took| match step(took).checked_sub(base) {
            None => ' ',
            Some(level) => LEVELS.get(level).copied().unwrap_or('|'),
        }));
        text.push('\n');
    }
    let labels: Vec<String> = spike
        .samples
        .iter()
        .map(|&(at, _)| ago((now - at).max(0)))
        .collect();
    text.extend(std::iter::repeat_n(' ', labels.len()));
    text.push('\n');
    for row in 0..labels.iter().map(String::len).max().unwrap_or(0) {
        let letter = |label: &String| label.as_bytes().get(row).map_or(' ', |&byte| byte.into());
        text.extend(labels.iter().map(letter));
        text.push('\n');
    }
    text
}

fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_high_as_the_times_are_long() {
        let spike = Spike {
            samples: [(940, 10), (995, 20), (1000, 130)].into(),
            longest: 200,
        };
        let drawn = draw("command", &spike, 1000);
        let dashes = "-".repeat(80);
        let expected = format!(
            "command - high 130 ms, low 10 ms (all time high 200 ms)\n{dashes}\n  #\n  |\n  |\n_o|\n   \n150\nmss\n"
        );
        assert_eq!(drawn, expected);
    }
}

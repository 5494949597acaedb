//! INFO: the server in numbers, for people and dashboards.
//!
//! Sections, fields and their order are those of Redis, so that what reads them from Redis reads them here; fields of
//! features that are not here and that nobody reads are left out. To add a field, add a line to its section in
//! [`sections`].

mod bitmap;
mod sections;
mod sizes;
mod walk;

use std::fmt::{Display, Write as _};

use super::{Args, CmdResult, Context, memory};

/// One section: its heading, and what writes its fields.
struct Section {
    heading: &'static str,
    /// Whether it is part of an INFO that names no section.
    default: bool,
    write: fn(&Context<'_>, &mut Page),
}

const fn section(heading: &'static str, write: fn(&Context<'_>, &mut Page)) -> Section {
    Section {
        heading,
        default: true,
        write,
    }
}

static SECTIONS: &[Section] = &[
    section("Server", sections::server),
    section("Clients", sections::clients),
    section("Memory", sections::memory),
    section("Persistence", sections::persistence),
    section("Threads", sections::threads),
    section("Stats", sections::stats),
    section("Replication", sections::replication),
    section("CPU", sections::cpu),
    section("Modules", |_, _| ()),
    Section {
        default: false,
        ..section("Commandstats", sections::commandstats)
    },
    section("Errorstats", sections::errorstats),
    Section {
        default: false,
        ..section("Latencystats", sections::latencystats)
    },
    section("Cluster", sections::cluster),
    section("Keyspace", sections::keyspace),
    section("Keysizes", sizes::sizes),
    section("Bitmap", bitmap::bitmap),
];

/// `INFO [section ...]`: the sections named, in their own order whatever that of the names; `default`, which is also what
/// no name means, `all` and `everything` stand for several. A name nobody knows adds nothing.
pub(super) fn info(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let named = |name: &str| {
        args.rest()
            .any(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let all = named("all") || named("everything");
    let default = args.is_empty() || named("default");
    let wanted = SECTIONS
        .iter()
        .filter(|section| all || (default && section.default) || named(section.heading));
    let mut page = Page::default();
    for section in wanted {
        page.heading(section.heading);
        (section.write)(cx, &mut page);
    }
    Ok(memory::text(page.0))
}

/// The text, line by line.
#[derive(Default)]
struct Page(String);

impl Page {
    fn heading(&mut self, heading: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        self.line(format_args!("# {heading}"));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{line}\r\n");
    }

    fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    /// A number of bytes, and again in units for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(&format!("{name}_human"), human(bytes));
    }
}

/// `1536` as `1.50K`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::*;

    fn field(page: &str, name: &str) -> String {
        let found = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        found
            .unwrap_or_else(|| panic!("no {name} in {page}"))
            .to_string()
    }

    #[test]
    fn sections_come_by_name_in_their_own_order() {
        let mut db = Session::alone();
        let headings = |page: String| -> Vec<String> {
            let lines = page.lines().filter_map(|line| line.strip_prefix("# "));
            lines.map(str::to_string).collect()
        };
        assert_eq!(headings(db.say("INFO cpu SERVER cpu")), ["Server", "CPU"]);
        assert_eq!(db.say("INFO nosuch"), "$0\r\n\r\n");
        let default = headings(db.say("INFO"));
        assert!(!default.contains(&"Commandstats".to_string()));
        assert_eq!(headings(db.say("INFO default")), default);
        // With those on how often and how long commands ran.
        assert_eq!(headings(db.say("INFO all")).len(), default.len() + 2);
        assert_eq!(
            headings(db.say("INFO keyspace everything")),
            headings(db.say("INFO all"))
        );
    }

    #[test]
    fn what_happened_is_counted() {
        let mut db = Session::alone();
        db.say("SETBIT k 1 1");
        db.say("GETBIT k 1");
        db.say("GETBIT missing 1");
        db.say("GETBIT k x");
        let page = db.say("INFO everything");
        assert_eq!(field(&page, "redis_version"), "8.2.3");
        assert_eq!(field(&page, "total_commands_processed"), "4");
        assert_eq!(field(&page, "keyspace_hits"), "1");
        assert_eq!(field(&page, "keyspace_misses"), "1");
        assert_eq!(field(&page, "rdb_changes_since_last_save"), "1");
        assert_eq!(field(&page, "errorstat_ERR"), "count=1");
        assert_eq!(field(&page, "connected_clients"), "1");
        assert_eq!(
            field(&page, "db0"),
            "keys=1,expires=0,avg_ttl=0,subexpiry=0"
        );
        assert!(field(&page, "cmdstat_getbit").starts_with("calls=3,usec="));
        assert!(field(&page, "cmdstat_getbit").ends_with("rejected_calls=0,failed_calls=1"));
        assert_ne!(field(&page, "used_memory"), "0");
        db.say("CONFIG RESETSTAT");
        let page = db.say("INFO stats keyspace");
        assert_eq!(field(&page, "keyspace_hits"), "0");
        assert!(field(&page, "db0").starts_with("keys=1"));
    }

    /// Everything is locked then, and no section may ask for a lock again.
    #[test]
    fn everything_is_told_inside_a_transaction() {
        let mut db = Session::alone();
        db.say("MULTI");
        db.say("SET k v");
        db.say("INFO everything");
        db.say("CONFIG RESETSTAT");
        assert!(db.say("EXEC").contains("expired_keys:0"));
    }

    #[test]
    fn bytes_are_written_in_units_for_people() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (1536, "1.50K"),
            (5 << 20, "5.00M"),
            (3 << 40, "3.00T"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
    }
}

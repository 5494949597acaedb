//! Holds the floor rule that `src/lib.rs` draws: a file names its own module and the floors below, nothing else.
//!
//! The source is read as text, with comments and strings taken out. A new top-level module gets a line in [`FLOORS`].

use std::fs;
use std::path::{Path, PathBuf};

/// Every top-level module with its height. Two modules at one height do not know each other.
const FLOORS: &[(&str, u8)] = &[
    ("glob", 0),
    ("number", 0),
    ("priority", 0),
    ("words", 0),
    ("config", 1),
    ("stats", 1),
    ("bits", 2),
    ("resp", 2),
    ("store", 3),
    ("persist", 4),
    ("cmd", 5),
    ("server", 6),
    ("daemon", 7),
    ("files", 7),
    ("log", 7),
    ("main", 7),
    ("lib", 8),
];

/// Where `unsafe` may stand: the inner loops, each argued on the spot. Anything else needs a reason and a line here.
const MAY_BE_UNSAFE: &[&str] = &[
    "src/bits/kernel/",
    "src/bits/slot.rs",
    "src/server/socket.rs",
    "src/store/entry_raw.rs",
    "src/store/prefetch.rs",
];

/// A file below `src`, and its text without comments and strings.
struct Source {
    path: String,
    module: String,
    code: String,
}

impl Source {
    fn floor(&self) -> u8 {
        floor_of(&self.module)
            .unwrap_or_else(|| panic!("{} is on no floor: give it a line in FLOORS", self.path))
    }
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, floor)| *floor)
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    assert!(
        files.len() >= 2,
        "no sources found below {}",
        root.display()
    );
    files
        .into_iter()
        .map(|file| {
            let path = file
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let module = path
                .split('/')
                .nth(1)
                .unwrap()
                .trim_end_matches(".rs")
                .to_owned();
            let code = without_comments_and_strings(&fs::read_to_string(&file).unwrap());
            Source { path, module, code }
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Blanks `// ...`, `/* ... */`, `"..."`, `r#"..."#` and character literals, so that what is left are tokens.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_end(rest)
        } else if first == '\'' {
            character_end(rest)
        } else if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && let Some(end) = raw_string_end(rest)
        {
            end
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

/// Where the string literal that `text` starts with ends.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the character literal ends; 1 if the quote starts a lifetime.
fn character_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            text[3..].find('\'').map_or(text.len(), |end| 3 + end + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Where `r"..."`, `r#"..."#` and their byte forms end, if `text` starts with one.
fn raw_string_end(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = inside
        .find(&close)
        .map_or(inside.len(), |end| end + close.len());
    Some(text.len() - inside.len() + length)
}

/// The modules that follow `crate::` in `code`, groups in braces opened.
fn named_modules(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let after = &code[at + "crate::".len()..];
        match after.strip_prefix('{') {
            Some(group) => names.extend(first_names_of_group(group)),
            None => names.push(first_name(after)),
        }
    }
    names
}

fn first_name(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// `bits::{Op, Span}, store}` names `bits` and `store`.
fn first_names_of_group(group: &str) -> Vec<String> {
    let mut names = vec![first_name(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(first_name(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Whether `word` stands in `code` as a word of its own.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part)
    })
}

#[test]
fn every_file_names_only_its_own_module_and_the_floors_below() {
    let mut wrong = Vec::new();
    for source in sources() {
        for name in named_modules(&source.code) {
            match floor_of(&name) {
                _ if name == source.module => {}
                Some(floor) if floor < source.floor() => {}
                Some(floor) => wrong.push(format!(
                    "{} (floor {}) names crate::{name} (floor {floor})",
                    source.path,
                    source.floor()
                )),
                None => wrong.push(format!(
                    "{} names crate::{name}, which is on no floor",
                    source.path
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_server_floor_names_tokio() {
    for source in sources() {
        if source.floor() < 5 {
            assert!(
                !has_word(&source.code, "tokio"),
                "{} names tokio",
                source.path
            );
        }
    }
}

#[test]
fn the_bit_engine_needs_only_the_standard_library() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let table = manifest
        .split("\n[")
        .find(|table| table.starts_with("dependencies]"))
        .expect("a dependency table");
    let crates: Vec<String> = table
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect();
    assert!(
        crates.contains(&"tokio".to_owned()),
        "the dependency table was not understood: {crates:?}"
    );
    for source in sources().iter().filter(|source| source.module == "bits") {
        for name in &crates {
            assert!(
                !source.code.contains(&format!("{name}::")),
                "{} names the crate {name}",
                source.path
            );
        }
    }
}

#[test]
fn unsafe_code_stands_only_where_it_is_listed() {
    for source in sources() {
        let listed = MAY_BE_UNSAFE
            .iter()
            .any(|place| source.path.starts_with(place));
        assert!(
            listed || !has_word(&source.code, "unsafe"),
            "{} is not listed in MAY_BE_UNSAFE",
            source.path
        );
    }
}

#[test]
fn the_reader_of_sources_sees_code_and_nothing_else() {
    let text = r##"
        // use crate::server;
        use crate::{bits::{Op, Span}, store::Keyspace}; /* crate::cmd */
        const A: (&str, char) = ("crate::server \" unsafe", '"');
        fn f<'a>(x: &'a str) -> crate::resp::Reply { r#"unsafe "quoted" crate::cmd"# }
    "##;
    let code = without_comments_and_strings(text);
    assert_eq!(named_modules(&code), ["bits", "store", "resp"]);
    assert!(!has_word(&code, "unsafe"));
    assert!(has_word("unsafe { f() }", "unsafe") && !has_word("unsafe_code", "unsafe"));
}

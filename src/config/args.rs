//! The command line: which file to read, and the options as the text of one more.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::words;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandLine {
    pub(super) file: Option<PathBuf>,
    pub(super) stdin: bool,
    /// The options as lines of a file.
    pub(super) options: Vec<u8>,
}

/// Takes `[FILE | -] [--name value ...]... [-]` apart, without the program's name, by the rules of redis-server.
///
/// A first word without a dash is the file. A lone dash, first or last, is standard input. A word with two dashes starts
/// an option unless the option before it has no value yet: `--requirepass --x` sets a password. `--save` is the one that
/// may stay without: it then means no save points. Name and value may come in one word: `"--port 7000"`.
pub(super) fn command_line(args: &[OsString]) -> CommandLine {
    let file = args
        .first()
        .filter(|first| !first.as_bytes().starts_with(b"-"));
    let mut options: Vec<u8> = Vec::new();
    let (mut stdin, mut complete) = (false, true);
    let start = usize::from(file.is_some());
    for (at, arg) in args.iter().enumerate().skip(start) {
        let arg = arg.as_bytes();
        let next = args.get(at + 1).map(|next| next.as_bytes());
        if arg == b"-" && (at == 0 || next.is_none()) {
            stdin = true;
        } else if let (true, Some(option)) = (complete, arg.strip_prefix(b"--")) {
            if !options.is_empty() {
                options.push(b'\n');
            }
            options.extend([option, b" "].concat());
            // Where quotes are unbalanced the line is refused later; until then it counts as name and value.
            complete = words::split(arg).is_none_or(|words| words.len() != 1);
            let no_value = next.is_none_or(|next| next.starts_with(b"--"));
            if !complete && option.trim_ascii().eq_ignore_ascii_case(b"save") && no_value {
                options.extend(b"\"\"");
                complete = true;
            }
        } else {
            words::quote(arg, &mut options);
            options.push(b' ');
            complete = true;
        }
    }
    CommandLine {
        file: file.map(PathBuf::from),
        stdin,
        options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn options(words: &[&str]) -> String {
        String::from_utf8(command_line(&args(words)).options).expect("text")
    }

    #[test]
    fn the_command_line_becomes_lines_of_a_file() {
        assert_eq!(
            options(&["--port", "7000", "--bind", "a", "b"]),
            "port \"7000\" \nbind \"a\" \"b\" "
        );
        assert_eq!(
            options(&["--save", "", "--port", "1"]),
            "save \"\" \nport \"1\" "
        );
        assert_eq!(
            options(&["--save", "--port", "1"]),
            "save \"\"\nport \"1\" "
        );
        assert_eq!(
            options(&["--port", "1", "--save"]),
            "port \"1\" \nsave \"\""
        );
        assert_eq!(
            options(&["--requirepass", "--port", "1"]),
            "requirepass \"--port\" \"1\" "
        );
        assert_eq!(options(&["--port 1", "--hz 5"]), "port 1 \nhz 5 ");
        assert_eq!(options(&["-x"]), "\"-x\" ");
    }

    #[test]
    fn a_first_word_is_a_file_and_a_dash_at_either_end_is_standard_input() {
        let file = |words: &[&str]| command_line(&args(words)).file;
        let stdin = |words: &[&str]| command_line(&args(words)).stdin;
        assert_eq!(file(&["x.conf", "--port", "1"]), Some("x.conf".into()));
        assert_eq!(file(&["--port", "1"]), None);
        assert_eq!(file(&["-"]), None);
        assert!(
            stdin(&["-"]) && stdin(&["-", "--port", "1"]) && stdin(&["x.conf", "--port", "1", "-"])
        );
        assert!(!stdin(&["x.conf", "-", "--port", "1"]) && !stdin(&["--port", "1"]));
    }
}

//! A cursor over a command's arguments.

use super::CmdError;
use crate::number::parse_i64;
use crate::resp::Request;

/// The arguments of one request, read from the front. The command's name (and its subcommand's) is already read.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    request: Request<'a>,
    at: usize,
}

impl<'a> Args<'a> {
    /// All of `request` from argument `at` on.
    pub(super) fn new(request: Request<'a>, at: usize) -> Self {
        Self { request, at }
    }

    /// The whole request these arguments belong to.
    pub fn request(&self) -> Request<'a> {
        self.request
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.request.len().saturating_sub(self.at)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next argument, left in place.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.request.get(self.at)
    }

    /// The argument `at` places after the next one.
    pub(super) fn get(&self, at: usize) -> Option<&'a [u8]> {
        self.request.get(self.at + at)
    }

    /// The next argument. Where the row's arity already promised it, this cannot fail; elsewhere Redis calls its
    /// absence a syntax error.
    pub fn take(&mut self) -> Result<&'a [u8], CmdError> {
        let arg = self.request.get(self.at).ok_or(CmdError::Syntax)?;
        self.at += 1;
        Ok(arg)
    }

    /// The next argument as a signed 64-bit integer, written the one way Redis accepts.
    pub fn take_i64(&mut self) -> Result<i64, CmdError> {
        parse_i64(self.take()?).ok_or(CmdError::NotAnInteger)
    }

    /// Takes the next argument if it is `word`, in any case of letters. As Redis does with options, what follows a NUL
    /// byte is not looked at.
    pub fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|arg| {
            arg.split_at_checked(word.len())
                .is_some_and(|(start, rest)| {
                    start.eq_ignore_ascii_case(word.as_bytes())
                        && matches!(rest.first(), None | Some(0))
                })
        });
        self.at += usize::from(found);
        found
    }

    /// The next argument, if there is one.
    pub fn take_optional(&mut self) -> Option<&'a [u8]> {
        self.take().ok()
    }

    /// All that is left.
    pub fn rest(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.request.iter().skip(self.at)
    }

    /// Nothing may be left.
    pub fn finish(&self) -> Result<(), CmdError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(CmdError::Syntax)
        }
    }
}

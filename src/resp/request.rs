//! One request: the command's name and its arguments, as byte strings.

use std::fmt;

/// Where an argument lies in the bytes of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// A request borrowed from the buffer it was read into. Never empty: word 0 is the command's name.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Request<'a> {
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        debug_assert!(!spans.is_empty());
        Self { bytes, spans }
    }

    /// The number of words, the command's name included; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a request is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The command's name as the client wrote it.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.word(self.spans[0])
    }

    /// Word `index`, the name being 0.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|&span| self.word(span))
    }

    /// Every word in order, the name first.
    #[inline]
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let request = *self;
        self.spans.iter().map(move |&span| request.word(span))
    }

    #[inline]
    fn word(&self, span: Span) -> &'a [u8] {
        &self.bytes[span.start..span.start + span.len]
    }
}

/// The words, escaped, each cut after a few dozen bytes.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        f.debug_list()
            .entries(self.iter().map(|word| match word.get(..SHOWN) {
                Some(start) => format!("{}... ({} bytes)", start.escape_ascii(), word.len()),
                None => word.escape_ascii().to_string(),
            }))
            .finish()
    }
}

/// A request that outlives the read buffer, in two allocations: what MULTI queues.
#[derive(Clone)]
pub struct OwnedRequest {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedRequest {
    /// The request made of these words, or `None` when there are none.
    pub fn from_words<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut spans = Vec::new();
        for word in words {
            let word = word.as_ref();
            spans.push(Span {
                start: bytes.len(),
                len: word.len(),
            });
            bytes.extend_from_slice(word);
        }
        (!spans.is_empty()).then(|| Self {
            bytes: bytes.into(),
            spans: spans.into(),
        })
    }

    /// The same request, borrowed.
    pub fn as_request(&self) -> Request<'_> {
        Request::new(&self.bytes, &self.spans)
    }

    /// Bytes allocated for it.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.spans)
    }
}

impl From<Request<'_>> for OwnedRequest {
    fn from(request: Request<'_>) -> Self {
        Self::from_words(request.iter()).expect("a request has at least its name")
    }
}

impl fmt::Debug for OwnedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_request().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owned_request_reads_as_the_one_it_was_copied_from() {
        let made = OwnedRequest::from_words(["SET", "", "a b"]).unwrap();
        let copy = OwnedRequest::from(made.as_request());
        let request = copy.as_request();
        assert_eq!(request.len(), 3);
        assert_eq!(request.name(), b"SET");
        assert_eq!(request.get(1), Some(&b""[..]));
        assert_eq!(request.get(2), Some(&b"a b"[..]));
        assert_eq!(request.get(3), None);
        assert_eq!(
            request.iter().collect::<Vec<_>>(),
            [&b"SET"[..], b"", b"a b"]
        );
        assert!(OwnedRequest::from_words([""; 0]).is_none());
    }

    #[test]
    fn debug_cuts_long_words() {
        let made = OwnedRequest::from_words([b"SET".to_vec(), vec![0xff; 100]]).unwrap();
        let shown = format!("{made:?}");
        assert!(shown.starts_with(r#"["SET", "\\xff\\xff"#), "{shown}");
        assert!(shown.ends_with(r#"... (100 bytes)"]"#), "{shown}");
    }
}

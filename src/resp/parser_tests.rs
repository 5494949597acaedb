//! Whole buffers as literal bytes with what Redis 8.2.3 made of them, then every way of splitting them.

use proptest::prelude::*;

use super::*;

type Requests = Vec<Vec<Vec<u8>>>;

/// Feeds `pieces` one after the other, releasing after each as a connection does, and returns the requests and the error.
fn parse(pieces: &[&[u8]], limits: &Limits) -> (Requests, Option<ProtocolError>) {
    parse_ahead(pieces, limits, 1)
}

/// As [`parse`], with so many requests cut before the first is taken, and room for them lent meanwhile.
fn parse_ahead(
    pieces: &[&[u8]],
    limits: &Limits,
    most: usize,
) -> (Requests, Option<ProtocolError>) {
    let (mut parser, mut buf, mut requests) = (Parser::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        if most > 1 {
            parser.lend(Room::usual);
        }
        loop {
            if most > 1 && parser.ahead(&buf).len() == 0 {
                parser.look_ahead(&buf, limits, most);
            }
            match parser.next(&buf, limits) {
                Ok(Some(request)) => requests.push(request.iter().map(<[u8]>::to_vec).collect()),
                Ok(None) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
        let done = parser.release();
        buf.drain(..done);
        if most > 1
            && let Some(room) = parser.reclaim()
        {
            assert!(room.whole.is_empty() && room.spans.is_empty());
            assert_eq!(parser.heap_bytes(), 0);
        }
    }
    (requests, None)
}

fn requests(words: &[&[&[u8]]]) -> Requests {
    words
        .iter()
        .map(|request| request.iter().map(|word| word.to_vec()).collect())
        .collect()
}

/// A small line limit, so that over-long lines can be split at every byte too.
const SMALL: Limits = Limits {
    max_bulk: 512 << 20,
    max_inline: 40,
    max_multibulk: i32::MAX as i64,
    authenticated: true,
};

/// Each buffer was sent to Redis 8.2.3, which ran these commands and then sent this error or none.
fn observed() -> Vec<(&'static [u8], Requests, Option<ProtocolError>)> {
    use ProtocolError::*;
    const PING: &[u8] = b"PING";
    let ping: &[&[u8]] = &[PING];
    vec![
        (b"*1\r\n$4\r\nPING\r\n", requests(&[ping]), None),
        (
            b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
            requests(&[&[b"ECHO", b""]]),
            None,
        ),
        (
            b"*2\r\n$4\r\nECHO\r\n$12\r\n\r\n*1\r\n$4\r\nPI\r\n",
            requests(&[&[b"ECHO", b"\r\n*1\r\n$4\r\nPI"]]),
            None,
        ),
        (b"*1\r\n$0\r\n\r\n", requests(&[&[b""]]), None),
        // Nothing at all.
        (b"*0\r\n*1\r\n$4\r\nPING\r\n", requests(&[ping]), None),
        (b"*-1\r\n*1\r\n$4\r\nPING\r\n", requests(&[ping]), None),
        (b"*-10\r\n*1\r\n$4\r\nPING\r\n", requests(&[ping]), None),
        (b"\r\n\r\n\n*1\r\n$4\r\nPING\r\n", requests(&[ping]), None),
        (b"   \r\n*1\r\n$4\r\nPING\r\n", requests(&[ping]), None),
        // Bytes nobody reads.
        (
            b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
            requests(&[ping, ping]),
            None,
        ),
        (
            b"*1\rX$4\rYPINGzz*1\r\n$4\r\nPING\r\n",
            requests(&[ping, ping]),
            None,
        ),
        // Inline requests.
        (b"PING\nPING\r\n", requests(&[ping, ping]), None),
        (b"PING\r\r\n", requests(&[ping]), None),
        (b"PING\r", requests(&[]), None),
        (
            b"ECHO \"a b\"\r\n*1\r\n$4\r\nPING\r\n",
            requests(&[&[b"ECHO", b"a b"], ping]),
            None,
        ),
        (b"ECHO \"a\r\n", requests(&[]), Some(UnbalancedQuotes)),
        // How many words.
        (b"*2147483647\r\n", requests(&[]), None),
        (b"*2147483648\r\n", requests(&[]), Some(InvalidCount)),
        (
            b"*20000000000000000000\r\n",
            requests(&[]),
            Some(InvalidCount),
        ),
        (b"*-9223372036854775808\r\n", requests(&[]), None),
        (
            b"*-9223372036854775809\r\n",
            requests(&[]),
            Some(InvalidCount),
        ),
        (b"*abc\r\n", requests(&[]), Some(InvalidCount)),
        (b"*\r\n", requests(&[]), Some(InvalidCount)),
        (b"*-0\r\n", requests(&[]), Some(InvalidCount)),
        (b"*+1\r\n", requests(&[]), Some(InvalidCount)),
        (b"*01\r\n", requests(&[]), Some(InvalidCount)),
        (b"* 1\r\n", requests(&[]), Some(InvalidCount)),
        (b"*1\n$4\nPING\n", requests(&[]), None),
        (b"*1\n$4\nPING\n\r\n", requests(&[]), Some(InvalidCount)),
        // How long a word is.
        (b"*1\r\n$536870912\r\n", requests(&[]), None),
        (
            b"*1\r\n$536870913\r\n",
            requests(&[]),
            Some(InvalidBulkLength),
        ),
        (b"*1\r\n$-1\r\n", requests(&[]), Some(InvalidBulkLength)),
        (b"*1\r\n$x\r\n", requests(&[]), Some(InvalidBulkLength)),
        (b"*1\r\n$\r\n", requests(&[]), Some(InvalidBulkLength)),
        (b"*1\r\n$+4\r\n", requests(&[]), Some(InvalidBulkLength)),
        (b"*1\r\n$04\r\n", requests(&[]), Some(InvalidBulkLength)),
        // Not a word at all.
        (b"*1\r\nx4\r\n", requests(&[]), Some(ExpectedBulk(b'x'))),
        (b"*1\r\nx", requests(&[]), None),
        (
            b"*1\r\n\r\nPING\r\n",
            requests(&[]),
            Some(ExpectedBulk(b'\r')),
        ),
        (b"*1\r\n\n4\r\n", requests(&[]), Some(ExpectedBulk(b'\n'))),
        (b"*1\r\n\xff4\r\n", requests(&[]), Some(ExpectedBulk(0xff))),
        (
            b"*1\r\n*1\r\n*1\r\n",
            requests(&[]),
            Some(ExpectedBulk(b'*')),
        ),
        (
            b"*2\r\n$4\r\nECHO\r\nfoo\r\n",
            requests(&[]),
            Some(ExpectedBulk(b'f')),
        ),
        (
            b"PING\r\n*1\r\nx\r\n",
            requests(&[ping]),
            Some(ExpectedBulk(b'x')),
        ),
    ]
}

#[test]
fn buffers_mean_what_redis_takes_them_to_mean() {
    for (bytes, expected, error) in observed() {
        assert_eq!(
            parse(&[bytes], &Limits::default()),
            (expected, error),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn a_split_at_any_two_places_changes_nothing() {
    for (bytes, expected, error) in observed() {
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(
                    parse(&pieces, &Limits::default()),
                    (expected.clone(), error),
                    "{pieces:?}"
                );
            }
        }
    }
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    use ProtocolError::*;
    for (start, error) in [
        ("*", CountTooLong),
        ("*1\r\n$", BulkLengthTooLong),
        ("a", InlineTooLong),
    ] {
        let limit = start.len() - 1 + SMALL.max_inline; // the line is the last byte of `start` and what follows
        for len in limit - 3..limit + 5 {
            let bytes = format!("{start:1<len$}");
            let expected = (bytes.len() > limit).then_some(error);
            let one_by_one: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
            assert_eq!(parse(&[bytes.as_bytes()], &SMALL).1, expected, "{bytes}");
            assert_eq!(parse(&one_by_one, &SMALL).1, expected, "{bytes}");
        }
    }
}

#[test]
fn the_default_limit_is_where_redis_has_it() {
    for (start, error) in [
        ("*", ProtocolError::CountTooLong),
        ("a", ProtocolError::InlineTooLong),
    ] {
        let fits = start.to_owned() + &"1".repeat(65535);
        let over = start.to_owned() + &"1".repeat(65536);
        assert_eq!(parse(&[fits.as_bytes()], &Limits::default()).1, None);
        assert_eq!(parse(&[over.as_bytes()], &Limits::default()).1, Some(error));
    }
}

#[test]
fn a_client_that_has_not_authenticated_may_send_little() {
    use ProtocolError::*;
    let stranger = Limits {
        authenticated: false,
        ..Limits::default()
    };
    for (bytes, error) in [
        (&b"*10\r\n"[..], None),
        (b"*11\r\n", Some(UnauthenticatedCount)),
        (b"*2147483648\r\n", Some(InvalidCount)),
        (b"*2\r\n$16384\r\n", None),
        (b"*2\r\n$16385\r\n", Some(UnauthenticatedBulkLength)),
        (b"*2\r\n$536870913\r\n", Some(InvalidBulkLength)),
        (b"PING a b c d e f g h i j k l m\r\n", None),
    ] {
        assert_eq!(
            parse(&[bytes], &stranger).1,
            error,
            "{}",
            bytes.escape_ascii()
        );
        assert_eq!(
            parse(
                &[bytes],
                &Limits {
                    authenticated: true,
                    ..stranger
                }
            )
            .1
            .filter(|e| error != Some(*e)),
            None
        );
    }
}

#[test]
fn promised_lengths_cost_nothing_until_the_bytes_come() {
    let mut parser = Parser::new();
    assert!(
        parser
            .next(b"*2147483647\r\n$536870912\r\nabc", &Limits::default())
            .unwrap()
            .is_none()
    );
    assert!(parser.heap_bytes() < 1024, "{}", parser.heap_bytes());
    assert_eq!(parser.lacks(28), (512 << 20) + 2 - 3);
}

#[test]
fn requests_cut_ahead_are_the_ones_handed_out() {
    let limits = Limits::default();
    let buf = b"PING a\r\n*1\r\n$4\r\nECHO\r\nGET 'b c'\r\n*2\r\n$3\r\nGET\r\n$1\r\nd\r\n*2\r\n$3\r\nSET\r\n$9\r\nabc";
    let words = |request: Request<'_>| request.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
    let all = parse(&[buf], &limits).0;
    assert_eq!(all.len(), 4);
    for most in 1..6 {
        for taken in 0..=most.min(4) {
            let mut parser = Parser::new();
            assert!(parser.look_ahead(buf, &limits, most));
            assert_eq!(
                parser.ahead(buf).map(words).collect::<Vec<_>>(),
                all[..most.min(4)]
            );
            for expected in &all[..taken] {
                assert_eq!(
                    words(parser.next(buf, &limits).unwrap().unwrap()),
                    *expected
                );
            }
            assert_eq!(parser.ahead(buf).len(), most.min(4) - taken);
            // Those not taken come again, and then the one whose end had not arrived.
            let rest = [&buf[parser.release()..], b"defghi\r\nPING\r\n"].concat();
            let mut again = Vec::new();
            while let Some(request) = parser.next(&rest, &limits).unwrap() {
                again.push(words(request));
            }
            assert_eq!(again[..4 - taken], all[taken..]);
            assert_eq!(
                again[4 - taken..],
                requests(&[&[b"SET", b"abcdefghi"], &[b"PING"]])
            );
            assert_eq!(parser.release(), rest.len());
        }
    }
}

#[test]
fn room_is_lent_to_who_has_nothing_in_hand_and_comes_back_when_that_is_so_again() {
    let limits = Limits::default();
    let mut parser = Parser::new();
    parser.lend(Room::usual);
    let lent = parser.heap_bytes();
    let pings = b"*1\r\n$4\r\nPING\r\n".repeat(20);
    assert!(parser.look_ahead(&pings, &limits, 16));
    assert_eq!(parser.heap_bytes(), lent, "it is enough");
    assert!(parser.reclaim().is_none());
    parser.lend(|| panic!("it has room"));
    parser.hand_out(16);
    assert!(parser.reclaim().is_some_and(|room| room.is_usual()));
    assert_eq!(parser.heap_bytes(), 0);

    let mut parser = Parser::new();
    assert!(!parser.look_ahead(b"*2\r\n$3\r\nGET\r\n$", &limits, 16));
    parser.lend(|| panic!("a word is in it"));
    assert!(parser.reclaim().is_none());

    let many = [&b"*1000\r\n"[..], &b"$1\r\nx\r\n".repeat(1000)].concat();
    let mut parser = Parser::new();
    assert!(parser.look_ahead(&many, &limits, 16));
    parser.hand_out(1);
    assert!(parser.reclaim().is_some_and(|room| !room.is_usual()));
}

#[test]
fn an_error_cut_ahead_comes_after_the_requests_before_it() {
    let limits = Limits::default();
    let buf = b"PING\r\nPING\r\n*x\r\nPING\r\n";
    let mut parser = Parser::new();
    assert!(parser.look_ahead(buf, &limits, 16));
    assert_eq!(parser.ahead(buf).len(), 2);
    for _ in 0..2 {
        assert!(parser.next(buf, &limits).unwrap().is_some());
    }
    assert_eq!(
        parser.next(buf, &limits).unwrap_err(),
        ProtocolError::InvalidCount
    );
}

/// The cost of a long argument that comes in small pieces must not depend on how many: no byte of it is looked at, so
/// replacing the buffer's middle by garbage between calls goes unnoticed.
#[test]
fn the_bytes_of_an_argument_are_not_read_again() {
    let mut parser = Parser::new();
    let mut buf = b"*2\r\n$3\r\nSET\r\n$1000\r\n".to_vec();
    let header = buf.len();
    assert!(parser.next(&buf, &Limits::default()).unwrap().is_none());
    buf[..header].fill(b'#');
    for _ in 0..1001 {
        buf.push(b'#');
        assert!(parser.next(&buf, &Limits::default()).unwrap().is_none());
    }
    buf.push(b'#');
    let request = parser.next(&buf, &Limits::default()).unwrap().unwrap();
    assert_eq!(
        (request.len(), request.get(1).map(<[u8]>::len)),
        (2, Some(1000))
    );
}

#[test]
fn error_replies_are_redis_s_bytes() {
    use super::super::{Output, Version};
    for (error, expected) in [
        (
            ProtocolError::InvalidCount,
            &b"-ERR Protocol error: invalid multibulk length\r\n"[..],
        ),
        (
            ProtocolError::ExpectedBulk(b'x'),
            b"-ERR Protocol error: expected '$', got 'x'\r\n",
        ),
        (
            ProtocolError::ExpectedBulk(b'\n'),
            b"-ERR Protocol error: expected '$', got ' '\r\n",
        ),
        (
            ProtocolError::ExpectedBulk(0xff),
            b"-ERR Protocol error: expected '$', got '\xff'\r\n",
        ),
        (
            ProtocolError::UnbalancedQuotes,
            b"-ERR Protocol error: unbalanced quotes in request\r\n",
        ),
    ] {
        let mut output = Output::new();
        output.push(error.reply(), Version::Resp2);
        assert_eq!(output.chunk(), expected);
    }
}

/// A request as a client would send it, and the words it holds.
fn any_request() -> impl Strategy<Value = (Vec<u8>, Option<Vec<Vec<u8>>>)> {
    let words = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..14);
    prop_oneof![
        6 => words.prop_map(|words| {
            let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
            for word in &words {
                bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
            (bytes, Some(words))
        }),
        2 => prop::collection::vec("[a-zA-Z0-9:]{1,9}", 1..5).prop_map(|words| {
            let line = format!(" {}\r\n", words.join("  "));
            (line.into_bytes(), Some(words.into_iter().map(String::into_bytes).collect()))
        }),
        1 => prop::sample::select(vec!["\r\n", "\n", "*0\r\n", "*-1\r\n", " \t\r\n"])
            .prop_map(|nothing| (nothing.as_bytes().to_vec(), None)),
    ]
}

proptest! {
    #[test]
    fn any_sequence_split_anywhere_parses_to_itself(
        sent in prop::collection::vec(any_request(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        most in 1..6usize,
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let words: Requests = sent.into_iter().filter_map(|(_, words)| words).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(parse_ahead(&pieces, &Limits::default(), most), (words.clone(), None));
        let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(parse(&one_by_one, &Limits::default()), (words, None));
    }

    #[test]
    fn garbage_never_panics_and_means_the_same_however_it_arrives(
        bytes in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(b"*$\r\n-0123456789 \"'\\x\0a".to_vec()),
            1 => any::<u8>(),
        ], 0..120),
        authenticated in any::<bool>(),
    ) {
        let limits = Limits { authenticated, ..SMALL };
        let whole = parse(&[&bytes], &limits);
        prop_assert_eq!(&parse_ahead(&[&bytes], &limits, 4), &whole);
        let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(parse(&one_by_one, &limits), whole);
    }
}

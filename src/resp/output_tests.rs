//! Replies against the bytes Redis 8.2.3 sent, then what waits and how much of it is held.

use proptest::prelude::*;

use super::*;

/// Everything, as it would be written.
fn drain(output: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let chunk = output.chunk();
        if chunk.is_empty() {
            assert!(output.is_empty());
            return bytes;
        }
        let taken = chunk.len().div_ceil(2); // what a full socket takes
        bytes.extend_from_slice(&chunk[..taken]);
        output.advance(taken);
    }
}

fn encode(reply: Reply, version: Version) -> Vec<u8> {
    let mut output = Output::new();
    output.push(reply, version);
    drain(&mut output)
}

/// Bytes that tell where they stand.
struct Pattern(u64);

impl Source for Pattern {
    fn len(&self) -> u64 {
        self.0
    }
    fn read(&self, at: u64, into: &mut [u8]) {
        assert!(at + into.len() as u64 <= self.0, "read past the end");
        for (i, byte) in into.iter_mut().enumerate() {
            *byte = pattern(at + i as u64);
        }
    }
}

fn pattern(at: u64) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

/// The replies of `DEBUG PROTOCOL <type>` under HELLO 2 and HELLO 3.
#[test]
#[expect(clippy::approx_constant, reason = "the number Redis sends here")]
fn every_type_is_sent_as_redis_sends_it() {
    let numbers = || vec![Reply::Integer(0), Reply::Integer(1), Reply::Integer(2)];
    type Case = (fn() -> Reply, &'static [u8], &'static [u8]);
    let cases: &[Case] = &[
        (
            || Reply::bulk("Hello World"),
            b"$11\r\nHello World\r\n",
            b"$11\r\nHello World\r\n",
        ),
        (|| Reply::Integer(12345), b":12345\r\n", b":12345\r\n"),
        (|| Reply::Double(3.141), b"$5\r\n3.141\r\n", b",3.141\r\n"),
        (|| Reply::Null, b"$-1\r\n", b"_\r\n"),
        (|| Reply::NullArray, b"*-1\r\n", b"_\r\n"),
        (
            || {
                Reply::Map(
                    (0..3)
                        .map(|i| (Reply::Integer(i), Reply::Boolean(i == 1)))
                        .collect(),
                )
            },
            b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
            b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
        ),
        (
            || Reply::Verbatim {
                format: *b"txt",
                text: "This is a verbatim\nstring".into(),
            },
            b"$25\r\nThis is a verbatim\nstring\r\n",
            b"=29\r\ntxt:This is a verbatim\nstring\r\n",
        ),
        (|| Reply::Boolean(true), b":1\r\n", b"#t\r\n"),
        (|| Reply::Boolean(false), b":0\r\n", b"#f\r\n"),
        (
            || Reply::BigNumber("1234567999999999999999999999999999999".into()),
            b"$37\r\n1234567999999999999999999999999999999\r\n",
            b"(1234567999999999999999999999999999999\r\n",
        ),
        (|| Reply::Ok, b"+OK\r\n", b"+OK\r\n"),
        (|| Reply::Simple("PONG".into()), b"+PONG\r\n", b"+PONG\r\n"),
        (
            || Reply::error("ERR unknown command 'fo\r\nba', with args beginning with: "),
            b"-ERR unknown command 'fo  ba', with args beginning with: \r\n",
            b"-ERR unknown command 'fo  ba', with args beginning with: \r\n",
        ),
        (
            || Reply::Fields([Some(-1), None, Some(10)].into_iter().collect()),
            b"*3\r\n:-1\r\n$-1\r\n:10\r\n",
            b"*3\r\n:-1\r\n_\r\n:10\r\n",
        ),
        (|| Reply::None, b"", b""),
    ];
    for (reply, resp2, resp3) in cases {
        assert_eq!(encode(reply(), Version::Resp2), *resp2, "{:?}", reply());
        assert_eq!(encode(reply(), Version::Resp3), *resp3, "{:?}", reply());
    }
    for (reply, resp3) in [
        (Reply::Array as fn(_) -> _, b'*'),
        (Reply::Set as fn(_) -> _, b'~'),
        (Reply::Push as fn(_) -> _, b'>'),
    ] {
        assert_eq!(
            encode(reply(numbers()), Version::Resp2),
            b"*3\r\n:0\r\n:1\r\n:2\r\n"
        );
        assert_eq!(
            encode(reply(numbers()), Version::Resp3),
            [&[resp3], &b"3\r\n:0\r\n:1\r\n:2\r\n"[..]].concat()
        );
    }
}

/// Around every power of ten and of two, where counting digits goes wrong.
#[test]
fn integers_of_every_length_are_written_in_full() {
    let tens = (0..19).map(|power| 10i64.pow(power));
    let twos = (0..63).map(|power| 1i64 << power);
    let mut numbers = vec![0, i64::MAX, i64::MIN, i64::MIN + 1];
    for edge in tens.chain(twos) {
        numbers.extend([edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1]);
    }
    for n in numbers {
        assert_eq!(
            encode(Reply::Integer(n), Version::Resp2),
            format!(":{n}\r\n").as_bytes()
        );
    }
}

#[test]
fn bulk_strings_of_every_kind_of_length_are_whole() {
    for len in [
        0,
        1,
        9,
        10,
        69,
        70,
        71,
        99,
        100,
        1000,
        SHARE - 1,
        SHARE,
        SHARE + 1,
        3 * WINDOW + 5,
    ] {
        let bytes: Vec<u8> = (0..len as u64).map(pattern).collect();
        let expected = [format!("${len}\r\n").as_bytes(), &bytes, b"\r\n"].concat();
        assert_eq!(
            encode(Reply::bulk(bytes), Version::Resp2),
            expected,
            "{len}"
        );
        assert_eq!(
            encode(Reply::Stream(Box::new(Pattern(len as u64))), Version::Resp3),
            expected,
            "{len}"
        );
    }
}

#[test]
fn sources_keep_their_place_between_and_inside_other_replies() {
    let sizes = [0, 1, WINDOW as u64, WINDOW as u64 + 1, 5];
    let mut output = Output::new();
    let mut expected = Vec::new();
    for size in sizes {
        output.push(Reply::Ok, Version::Resp2);
        let source = || Reply::Stream(Box::new(Pattern(size)));
        output.push(
            Reply::Array(vec![
                Reply::Integer(7),
                Reply::Array(vec![source(), Reply::Null]),
                source(),
            ]),
            Version::Resp2,
        );
        let bulk = encode(source(), Version::Resp2);
        expected.extend_from_slice(b"+OK\r\n*3\r\n:7\r\n*2\r\n");
        expected.extend_from_slice(&bulk);
        expected.extend_from_slice(b"$-1\r\n");
        expected.extend_from_slice(&bulk);
    }
    assert_eq!(output.len(), expected.len() as u64);
    assert_eq!(drain(&mut output), expected);
}

#[test]
fn a_source_holds_one_window_however_long_it_is() {
    let mut output = Output::new();
    output.push(Reply::Stream(Box::new(Pattern(1 << 40))), Version::Resp2);
    output.push(Reply::Stream(Box::new(Pattern(1 << 40))), Version::Resp2);
    for _ in 0..100 {
        let len = output.chunk().len();
        assert!(output.held() <= WINDOW + 64, "{}", output.held());
        output.advance(len);
    }
    assert!(output.len() > 1 << 40);
}

#[test]
fn replies_may_be_added_while_others_leave() {
    let mut output = Output::new();
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for round in 0..200u64 {
        let size = round * 977 % 50_000;
        output.push(Reply::Integer(round as i64), Version::Resp2);
        output.push(Reply::Stream(Box::new(Pattern(size))), Version::Resp2);
        expected.extend_from_slice(format!(":{round}\r\n${size}\r\n").as_bytes());
        expected.extend((0..size).map(pattern));
        expected.extend_from_slice(b"\r\n");
        let taken = output.chunk().len().min(10_000);
        sent.extend_from_slice(&output.chunk()[..taken]);
        output.advance(taken);
    }
    sent.extend(drain(&mut output));
    assert!(sent == expected);
    assert_eq!((output.len(), output.held()), (0, 0));
    let buffer = output
        .reclaim()
        .expect("an empty output gives its buffer back");
    assert!(output.reclaim().is_none());
    output.lend(|| buffer);
    output.push(Reply::Ok, Version::Resp2);
    assert!(
        output.reclaim().is_none(),
        "not while something waits in it"
    );
    assert_eq!(output.chunk(), b"+OK\r\n");
}

fn any_reply() -> impl Strategy<Value = fn() -> Reply> {
    prop::sample::select(vec![
        (|| Reply::Ok) as fn() -> Reply,
        || Reply::Integer(-5),
        || Reply::bulk("abc"),
        || Reply::bulk(vec![b'x'; SHARE]),
        || Reply::Stream(Box::new(Pattern(WINDOW as u64 + 3))),
        || Reply::Map(vec![(Reply::bulk("k"), Reply::Double(0.5))]),
        || Reply::Set(vec![Reply::Boolean(true), Reply::Null]),
        || Reply::Push(vec![Reply::bulk("message"), Reply::Array(vec![])]),
        || Reply::error("ERR x\r\ny"),
        || Reply::BigNumber("123".into()),
        || Reply::Verbatim {
            format: *b"mkd",
            text: "# t".into(),
        },
    ])
}

proptest! {
    /// An independent reader finds as many frames as replies, and nothing after them.
    #[test]
    fn what_is_sent_decodes_with_nothing_left_over(replies in prop::collection::vec(any_reply(), 0..12)) {
        let mut output = Output::new();
        for reply in &replies {
            output.push(reply(), Version::Resp3);
        }
        let mut rest = &drain(&mut output)[..];
        for _ in &replies {
            let (_, used) = redis_protocol::resp3::decode::complete::decode(rest).unwrap().expect("a whole frame");
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
    }
}

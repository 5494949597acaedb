//! Files written here and read again, and files as other versions write them.

use std::io::{self, Read};

use super::*;
use crate::bits::{Bitmap, View, oracle};
use crate::store::Value;

pub(super) const FACTS: Facts = Facts {
    redis_version: "8.2.3",
    created: 1_790_000_000,
    used_memory: 1_000_000,
    aof_base: false,
};

/// A key of a file, all it has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub db: u64,
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    pub expires_at: Option<i64>,
    pub hint: Hint,
}

/// All keys of a file, up to an error if there is one.
pub(super) fn read_all(source: impl Read, checked: bool) -> (Vec<Key>, Result<Kinds, Error>) {
    let mut keys = Vec::new();
    let result = (|| {
        let mut reader = Reader::new(source, checked)?;
        let mut db = 0;
        while let Some(item) = reader.next_item()? {
            match item {
                Item::Database(index) => db = index,
                Item::Entry {
                    key,
                    value,
                    expires_at,
                    hint,
                } => keys.push(Key {
                    db,
                    name: key.to_vec(),
                    value: value.view().to_vec(),
                    expires_at,
                    hint,
                }),
                Item::Fact(..) | Item::Sizes { .. } => {}
            }
        }
        Ok(reader.passed_over().clone())
    })();
    (keys, result)
}

pub(super) fn write_all(keys: &[Key], options: Options) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), options, &FACTS).unwrap();
    let mut db = None;
    for key in keys {
        if db != Some(key.db) {
            db = Some(key.db);
            writer
                .database(key.db as usize, keys.len() as u64, 0)
                .unwrap();
        }
        let value = Value::set(&key.value);
        writer
            .entry(&key.name, value.view(), key.expires_at, key.hint)
            .unwrap();
    }
    writer.finish().unwrap()
}

/// Values of every encoding and every form, at the edges of their lengths.
pub(super) fn keys() -> Vec<Key> {
    let mut values: Vec<Vec<u8>> = [
        "",
        "0",
        "-1",
        "127",
        "128",
        "-128",
        "-129",
        "32767",
        "32768",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "012",
        "1 ",
        "-0",
        "1a",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    values.extend([19, 20, 21, 62, 63, 64, 65, 128, 129].map(|len| vec![b'x'; len]));
    values.extend([16_383, 16_384, 65_535, 65_536, 65_537, 200_000].map(oracle::noise));
    values.extend([65_536, 65_537, 1_000_000].map(|len| vec![0; len]));
    values.push(b"all work and no play makes a dull day ".repeat(5000));
    let mut sparse = vec![0; 500_000];
    (0..4_000_000)
        .step_by(37_777)
        .for_each(|bit| sparse[bit / 8] |= 0x80u8 >> (bit % 8));
    values.push(sparse);
    values.push(
        [
            vec![0; 70_000],
            vec![0xff; 70_000],
            oracle::noise(9),
            vec![0; 70_000],
        ]
        .concat(),
    );
    let expiries = [None, Some(1_900_000_000_123), None, Some(1)];
    let hints = [Hint::None, Hint::Idle(70), Hint::Frequency(9)];
    let key = |(at, value): (usize, Vec<u8>)| Key {
        db: [0, 1, 9, 70_000][at * 4 / 40],
        name: if at == 5 {
            oracle::noise(70_000)
        } else {
            format!("key:{at}").into()
        },
        value,
        expires_at: expiries[at % 4],
        hint: hints[at % 3],
    };
    values.into_iter().enumerate().map(key).collect()
}

fn every_option() -> impl Iterator<Item = Options> {
    [(true, true), (true, false), (false, true)]
        .into_iter()
        .map(|(compression, checksum)| Options {
            compression,
            checksum,
        })
}

#[test]
fn what_is_written_is_read_again() {
    for options in every_option() {
        let file = write_all(&keys(), options);
        let (read, result) = read_all(&file[..], true);
        assert_eq!(result.unwrap().to_string(), "");
        assert_eq!(read, keys(), "{options:?}");
    }
}

#[test]
fn a_file_that_arrives_byte_by_byte_is_the_same() {
    struct Drip<'a>(&'a [u8]);
    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let end = into.len().min(1);
            self.0.read(&mut into[..end])
        }
    }
    let file = write_all(&keys()[..32], Options::default());
    assert_eq!(read_all(Drip(&file), true).0, keys()[..32]);
}

#[test]
fn facts_and_sizes_are_handed_out() {
    let mut writer = Writer::new(Vec::new(), Options::default(), &FACTS).unwrap();
    writer.database(3, 500, 20).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(file[..9], *b"REDIS0010");
    let mut reader = Reader::new(&file[..], true).unwrap();
    let mut told = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        told.push(match item {
            Item::Fact(name, value) => [name, value].map(String::from_utf8_lossy).join("="),
            other => format!("{other:?}"),
        });
    }
    let expected = [
        "redis-ver=8.2.3",
        "redis-bits=64",
        "ctime=1790000000",
        "used-mem=1000000",
        "aof-base=0",
        "Database(3)",
        "Sizes { keys: 500, expiring: 20 }",
    ];
    assert_eq!(told, expected);
    assert_eq!((reader.version(), reader.at()), (10, file.len() as u64));
}

#[test]
fn what_follows_the_file_is_given_back() {
    let mut file = write_all(&keys()[..3], Options::default());
    let log = b"*1\r\n$4\r\nPING\r\n".repeat(10_000);
    file.extend_from_slice(&log);
    let mut reader = Reader::new(&file[..], true).unwrap();
    while reader.next_item().unwrap().is_some() {}
    let (mut rest, mut source) = reader.into_rest();
    source.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, log);
}

/// The tail of a file of this version: what is listed, and the checksum where there is one.
fn file(version: u16, items: &[&[u8]]) -> Vec<u8> {
    let mut file = format!("REDIS{version:04}").into_bytes();
    items.iter().for_each(|item| file.extend_from_slice(item));
    file.push(0xff);
    if version >= 5 {
        let mut sum = checksum();
        sum.update(&file);
        file.extend_from_slice(&sum.finalize().to_le_bytes());
    }
    file
}

/// The check value of the catalogue of CRCs, which is also the one in Redis's own test.
#[test]
fn the_checksum_is_that_of_redis() {
    let mut sum = checksum();
    sum.update(b"123456789");
    assert_eq!(sum.finalize(), 0xe9c6_d914_c4b8_d9ca);
}

#[test]
fn every_version_is_read() {
    for version in 1..=12 {
        let file = file(
            version,
            &[
                b"\xfe\x00\xfb\x02\x01",
                b"\x00\x01a\x02hi",
                b"\xfd\x00\x5e\xd0\xb2\x00\x01b\xc0\xff",
                b"\xfc\x15\xcd\x5b\x07\x00\x00\x00\x00\xf8\x41\x02\x00\x01c\xc1\x39\x30",
                b"\xf4\x07\x02\x01\xf9\x05\x00\xc2\x40\xe2\x01\x00\x80\x00\x00\x00\x01x",
                b"\xfe\x41\x00\x00\x01d\xc3\x0a\x40\x1a\x02abc\xe0\x0c\x02\x01yz",
            ],
        );
        let (keys, result) = read_all(&file[..], true);
        result.unwrap();
        let told: Vec<String> = keys
            .iter()
            .map(|key| {
                let text = String::from_utf8_lossy(&key.value);
                let name = String::from_utf8_lossy(&key.name);
                format!(
                    "{} {name} {text} {:?} {:?}",
                    key.db, key.expires_at, key.hint
                )
            })
            .collect();
        let expected = [
            "0 a hi None None",
            "0 b -1 Some(-1294967296000) None",
            "0 c 12345 Some(123456789) Idle(258)",
            "0 123456 x None Frequency(5)",
            "256 d abcabcabcabcabcabcabcabcyz None None",
        ];
        assert_eq!(told, expected, "version {version}");
    }
}

#[test]
fn other_versions_and_other_files_are_refused() {
    let refused = |bytes: &[u8]| read_all(bytes, true).1.unwrap_err().to_string();
    for version in ["0000", "0013", "9999", "00a1", "+001"] {
        let file = [b"REDIS", version.as_bytes(), b"\xff\0\0\0\0\0\0\0\0"].concat();
        let expected = format!("RDB version {version} is not one of 1 to 12");
        assert_eq!(refused(&file), expected);
    }
    assert_eq!(
        refused(b"*1\r\n$4\r\nPING\r\n"),
        "it does not begin as RDB files do"
    );
    assert_eq!(
        refused(b""),
        "it ends at byte 0, in the middle of its header"
    );
    assert_eq!(
        refused(b"REDIS00"),
        "it ends at byte 7, in the middle of its header"
    );
}

#[test]
fn a_wrong_checksum_says_where_and_zeros_are_none() {
    let whole = write_all(&keys()[..5], Options::default());
    let at = whole.len() - 8;
    let mut wrong = whole.clone();
    wrong[at] ^= 1;
    let (found, sum) = (&wrong[at..], &whole[at..]);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    assert_eq!(
        read_all(&wrong[..], true).1.unwrap_err().to_string(),
        format!(
            "the checksum at byte {at} is {:016x}, but that of all before it is {:016x}",
            number(found),
            number(sum)
        )
    );
    assert!(read_all(&wrong[..], false).1.is_ok());
    wrong[at..].fill(0);
    assert!(read_all(&wrong[..], true).1.is_ok());
}

#[test]
fn other_types_are_counted_and_passed_over() {
    let string = b"\x03abc";
    let two = |kind: u8, items: &[u8]| [&[kind, 1, b'k', 2], items, items].concat();
    let packed = |kind: u8| [&[kind, 1, b'k'][..], string].concat();
    let id = [7u8; 16];
    let stream = |kind: u8| {
        let mut stream = two(kind, &[&string[..], string].concat());
        stream.extend_from_slice(if kind == 15 {
            &[2, 5, 0]
        } else {
            &[2, 5, 0, 4, 0, 0, 0, 2]
        });
        stream.extend_from_slice(b"\x01\x01g\x05\x00");
        stream.extend_from_slice(if kind == 15 { &[] } else { &[2] });
        stream.extend([&[1][..], &id, &[9; 8], &[1]].concat());
        stream.extend(
            [
                &b"\x01\x01c"[..],
                &[9; 8],
                if kind == 21 { &[9; 8] } else { &[] },
            ]
            .concat(),
        );
        stream.extend([&[1][..], &id].concat());
        stream
    };
    let values: Vec<Vec<u8>> = vec![
        two(1, string),
        two(2, string),
        [
            &[3, 1, b'k', 4][..],
            string,
            b"\x021.",
            string,
            b"\xfd",
            string,
            b"\xfe",
            string,
            b"\xff",
        ]
        .concat(),
        two(4, &[&string[..], string].concat()),
        two(5, &[&string[..], &[9; 8]].concat()),
        [
            &[7, 1, b'k', 0x81][..],
            &[1; 8],
            b"\x01\x05\x02\x06\x031234\x0412345678\x05\x02hi\x00",
        ]
        .concat(),
        packed(9),
        packed(10),
        packed(11),
        packed(12),
        packed(13),
        two(14, string),
        stream(15),
        packed(16),
        packed(17),
        two(18, &[&[2][..], string].concat()),
        stream(19),
        packed(20),
        stream(21),
        two(22, &[&[1][..], string, string].concat()),
        packed(23),
        [&[24, 1, b'k'][..], &[9; 8], &[1, 1], string, string].concat(),
        [&[25, 1, b'k'][..], &[9; 8], string].concat(),
    ];
    let mut items: Vec<&[u8]> = vec![b"\xfe\x00", b"\xfc\x15\xcd\x5b\x07\x00\x00\x00\x00"];
    items.extend(values.iter().map(Vec::as_slice));
    items.push(b"\xf5\x03lib");
    items.push(b"\xf7\x81\x01\x01\x01\x01\x01\x01\x01\x01\x02\x01\x05\x02hi\x00");
    items.push(b"\x00\x01s\x01v");
    let (keys, result) = read_all(&file(12, &items)[..], true);
    assert_eq!(
        result.unwrap().to_string(),
        "1 function library, 8 hashes, 4 lists, 1 module value, 1 module's own data, 3 sets, 4 sorted sets, 3 streams"
    );
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (keys[0].value.as_slice(), keys[0].expires_at),
        (&b"v"[..], None)
    );
}

#[test]
fn a_length_that_is_only_announced_takes_no_memory() {
    let announced: [&[u8]; 6] = [
        b"\x00\x01k\x81\x00\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x81\x00\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x01k\xc3\x81\x00\xff\xff\xff\xff\xff\xff\xff\x81\x00\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x01k\xc3\x05\x81\x0f\xff\xff\xff\xff\xff\xff\xff\x00\x00\xe0\xff\x00",
        b"\x01\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xfa\x81\x00\xff\xff\xff\xff\xff\xff\xff",
    ];
    for bytes in announced {
        let file = [b"REDIS0012", bytes, &[1; 100]].concat();
        read_all(&file[..], true)
            .1
            .expect_err("there is no such length");
    }
}

#[test]
fn half_a_gigabyte_with_one_bit_is_quickly_saved_and_loaded() {
    let mut bitmap = Bitmap::new();
    bitmap.set(4_294_967_295, true);
    let mut writer = Writer::new(Vec::new(), Options::default(), &FACTS).unwrap();
    writer.database(0, 1, 0).unwrap();
    writer
        .entry(b"far", View::Chunked(&bitmap), None, Hint::None)
        .unwrap();
    let file = writer.finish().unwrap();
    assert!(file.len() < 6_200_000, "{}", file.len());
    let mut reader = Reader::new(&file[..], true).unwrap();
    let mut found = false;
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Entry {
            value: Loaded::Bitmap(loaded),
            ..
        } = item
        {
            assert_eq!(loaded, bitmap);
            assert!(loaded.heap_bytes() < 1000);
            found = true;
        }
    }
    assert!(found);
}

/// A string whose compressed form is longer than what is kept of it, so that it is compressed twice.
#[test]
fn a_string_too_long_to_keep_compressed_is_written_all_the_same() {
    let mut bitmap = Bitmap::new();
    bitmap.set((1 << 33) - 1, true);
    bitmap.set(77, true);
    let mut writer = Writer::new(Vec::new(), Options::default(), &FACTS).unwrap();
    writer.database(0, 1, 0).unwrap();
    writer
        .entry(b"far", View::Chunked(&bitmap), None, Hint::None)
        .unwrap();
    let file = writer.finish().unwrap();
    assert!(
        (12_000_000..13_000_000).contains(&file.len()),
        "{}",
        file.len()
    );
    let mut reader = Reader::new(&file[..], true).unwrap();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Entry { value, .. } = item {
            assert_eq!(value.view(), View::Chunked(&bitmap));
        }
    }
}

#[test]
fn payloads_come_back_and_others_are_refused() {
    let taken = |payload: &[u8]| restore(payload, &mut || true, |loaded| loaded.view().to_vec());
    for Key { value, .. } in keys() {
        for compress in [false, true] {
            let payload = dump(Value::set(&value).view(), compress);
            assert_eq!(taken(&payload).as_deref(), Ok(&value[..]));
        }
    }
    let footed = |body: &[u8], version: u16| {
        let mut payload = [body, &version.to_le_bytes()].concat();
        let mut sum = checksum();
        sum.update(&payload);
        payload.extend_from_slice(&sum.finalize().to_le_bytes());
        payload
    };
    assert_eq!(taken(&footed(b"\x00\x02hi", 12)).as_deref(), Ok(&b"hi"[..]));
    assert_eq!(
        taken(&footed(b"\x00\x02hi there", 1)).as_deref(),
        Ok(&b"hi"[..])
    );
    assert_eq!(taken(&footed(b"\x00\x02hi", 13)), Err(Refused::Footer));
    assert_eq!(taken(b"\x00\x02hi"), Err(Refused::Footer));
    // Where nothing is, the type is read from the footer.
    assert_eq!(taken(&footed(b"", 10)), Err(Refused::Type("list")));
    assert_eq!(taken(&footed(b"\x00\x0dhi", 10)), Err(Refused::Format));
    assert_eq!(
        taken(&footed(b"\x00\x04hi", 10)).as_deref(),
        Ok(&b"hi\x0a\0"[..])
    );
    assert_eq!(taken(&footed(b"\x04\x00", 10)), Err(Refused::Type("hash")));
    assert_eq!(taken(&footed(b"\x63\x00", 10)), Err(Refused::Format));
}

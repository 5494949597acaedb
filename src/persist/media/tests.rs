//! The disk in memory keeps what was promised and no more, and the real one does what it does.

use std::io::{self, Write};
use std::path::Path;

use super::memory::{Loss, Verb};
use super::{Disk, Media, Memory, write_whole};

fn path(name: &str) -> std::path::PathBuf {
    Path::new("/data").join(name)
}

fn write(media: &dyn Media, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = path("temp");
    write_whole(media, &path(name), &temporary, |mut file| {
        file.write_all(bytes)
    })
}

#[test]
fn what_is_not_synced_goes_with_the_power() {
    let disk = Memory::new();
    let file = disk.create(&path("log")).unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    file.write(b"first").unwrap();
    file.sync().unwrap();
    file.write(b"second").unwrap();
    let read = |loss| disk.after_power_loss(loss).read(&path("log")).unwrap();
    assert_eq!(read(Loss::All), b"first");
    assert_eq!(read(Loss::Nothing), b"firstsecond");
    let mut lengths: Vec<usize> = (0..100).map(|seed| read(Loss::Some(seed)).len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [5, 6, 7, 8, 9, 10, 11], "torn anywhere");
}

#[test]
fn a_name_is_safe_when_its_directory_is_synced() {
    let disk = Memory::new();
    let file = disk.create(&path("log")).unwrap();
    file.write(b"x").unwrap();
    file.sync().unwrap();
    let lost = disk.after_power_loss(Loss::All);
    assert_eq!(lost.len(&path("log")).unwrap(), None);
    disk.sync_dir(Path::new("/data")).unwrap();
    disk.rename(&path("log"), &path("other")).unwrap();
    let lost = disk.after_power_loss(Loss::All);
    assert_eq!(lost.list(Path::new("/data")).unwrap(), ["log"]);
    disk.sync_dir(Path::new("/data")).unwrap();
    let lost = disk.after_power_loss(Loss::All);
    assert_eq!(lost.list(Path::new("/data")).unwrap(), ["other"]);
}

#[test]
fn a_failed_sync_has_thrown_the_data_away() {
    let disk = Memory::new();
    let file = disk.create(&path("log")).unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    file.write(b"x").unwrap();
    disk.fail(&[Verb::Sync], 5);
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
    disk.heal();
    file.sync().unwrap();
    let lost = disk.after_power_loss(Loss::All);
    assert_eq!(lost.read(&path("log")).unwrap(), b"");
}

#[test]
fn a_full_disk_takes_a_part_and_then_nothing() {
    let disk = Memory::new();
    let file = disk.create(&path("log")).unwrap();
    disk.leave_room(3);
    assert_eq!(file.write(b"abcde").unwrap(), 3);
    assert_eq!(
        file.write(b"de").unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    disk.heal();
    assert_eq!(file.write(b"de").unwrap(), 2);
    assert_eq!(disk.read(&path("log")).unwrap(), b"abcde");
}

/// The power goes at each verb in turn, and what is found is the old content or the new; after the return, the new.
#[test]
fn a_whole_file_is_the_old_or_the_new_wherever_the_power_goes() {
    let prepared = || {
        let disk = Memory::new();
        disk.put(path("dump"), b"old content");
        disk
    };
    let disk = prepared();
    write(&disk, "dump", b"new content!").unwrap();
    assert_eq!(
        disk.after_power_loss(Loss::All)
            .read(&path("dump"))
            .unwrap(),
        b"new content!"
    );
    for cut in 0..disk.verbs() {
        let disk = prepared();
        disk.cut_power_at(cut);
        write(&disk, "dump", b"new content!").expect_err("the power went");
        for seed in 0..50 {
            for loss in [Loss::All, Loss::Nothing, Loss::Some(seed)] {
                let found = disk.after_power_loss(loss).read(&path("dump")).unwrap();
                assert!(
                    found == b"old content" || found == b"new content!",
                    "cut at {cut}, {loss:?}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn where_the_new_content_cannot_be_written_the_old_stays_and_nothing_else() {
    for verb in [
        Verb::Create,
        Verb::Write,
        Verb::Sync,
        Verb::Rename,
        Verb::Remove,
    ] {
        let disk = Memory::new();
        disk.put(path("dump"), b"old");
        disk.fail(&[verb], 28);
        if verb == Verb::Remove {
            disk.fail(&[Verb::Write], 28); // then the temporary file stays: it could not be removed
        }
        let error = write(&disk, "dump", b"new").expect_err("the disk failed");
        assert_eq!(error.raw_os_error(), Some(28));
        assert_eq!(disk.read(&path("dump")).unwrap(), b"old");
        let names = disk.list(Path::new("/data")).unwrap();
        assert_eq!(names.len(), if verb == Verb::Remove { 2 } else { 1 });
    }
}

/// One story, told to both disks.
#[test]
fn the_real_disk_and_the_one_in_memory_tell_the_same() {
    let dir = std::env::temp_dir().join(format!("bitmapd-media-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let memory = Memory::new();
    memory.create_dir(&dir).unwrap();
    let stories = [&Disk as &dyn Media, &memory].map(|media| {
        let (a, b) = (dir.join("a"), dir.join("b"));
        let mut told = Vec::new();
        let file = media.create(&a).unwrap();
        (&*file).write_all(b"hello").unwrap();
        file.truncate(4).unwrap();
        (&*file).write_all(b"!").unwrap();
        file.sync().unwrap();
        told.push(format!("{:?}", media.read(&a).unwrap()));
        (&*media.append(&a).unwrap()).write_all(b"more").unwrap();
        told.push(format!("{:?}", media.open(&a).unwrap().1));
        media.rename(&a, &b).unwrap();
        told.push(format!("{:?}", media.list(&dir).unwrap()));
        told.push(format!("{:?}", media.len(&a).unwrap()));
        told.push(format!(
            "{:?}",
            media.open(&a).map(|_| ()).unwrap_err().kind()
        ));
        media.create(&b).unwrap();
        told.push(format!("{:?}", media.len(&b).unwrap()));
        media.remove(&b).unwrap();
        told.push(format!("{:?}", media.remove(&b).unwrap_err().kind()));
        let inner = dir.join("inner");
        media.create_dir(&inner).unwrap();
        media.create_dir(&inner).unwrap();
        media.create(&inner.join("x")).unwrap();
        media.sync_dir(&inner).unwrap();
        told.push(format!("{:?}", media.list(&inner).unwrap()));
        let nowhere = media.create(&dir.join("no/such"));
        told.push(format!("{:?}", nowhere.map(|_| ()).unwrap_err().kind()));
        told
    });
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(stories[0], stories[1]);
    assert_eq!(stories[0][1], "9");
}

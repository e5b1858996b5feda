//! What must hold of any bytes: the fuzz targets run it, and so does a plain test of the core.

use std::path::Path;

use steplog_core::frame::{
    FRAME_HEAD, Found, Identity, SEGMENT_HEAD, Scan, framed_len, head_word, place,
    read_segment_head, segment_head,
};
use steplog_core::path;
use steplog_core::reader::{Limit, LogReader};
use steplog_core::record::{self, Record};
use steplog_core::runlog::RunLog;
use steplog_core::summary::Summary;
use steplog_core::table::Scan as TableScan;
use steplog_core::value::{Cursor, Value};

const SEGMENT: u32 = 3;

/// Frames are found in order, apart from each other, and check; what is no frame is told once.
pub(crate) fn frame(bytes: &[u8]) {
    if let Ok((number, identity)) = read_segment_head(bytes)
        && identity.check().is_ok()
    {
        let again = read_segment_head(&segment_head(&identity, number)).unwrap();
        assert_eq!(again, (number, identity));
    }
    for number in [1, 2, SEGMENT] {
        let mut behind = SEGMENT_HEAD;
        for found in Scan::new(bytes, number) {
            behind = match found {
                Found::Frame { offset, payload } => {
                    assert!(offset >= behind && offset % 8 == 0);
                    let word = head_word(number, offset, payload).to_le_bytes();
                    assert_eq!(bytes[offset..offset + FRAME_HEAD], word);
                    offset + framed_len(payload.len())
                }
                Found::Damage { offset, end } => {
                    assert!(behind == offset && offset < end && end <= bytes.len());
                    assert!(bytes[offset..end].iter().any(|byte| *byte != 0));
                    end
                }
                Found::Torn { offset } => {
                    assert!(behind <= offset && offset < bytes.len());
                    bytes.len()
                }
            };
        }
    }
}

/// The record once more, as we write it.
fn encoded(record: &Record<'_>) -> Option<Vec<u8>> {
    let wall = |wall: i64| u64::try_from(wall).ok();
    Some(match record {
        Record::Start(identity) => record::start(identity),
        Record::Config { wall: at, entries } => record::config(wall(*at)?, entries),
        Record::History(history) => {
            let values = Cursor::new(history.values).value("values").ok()?;
            let Value::Map(values) = values else {
                panic!("the values of a row are a map")
            };
            let [step, at, runtime] = [history.step, history.wall, history.runtime].map(wall);
            record::history(step?, at?, runtime?, history.commit, &values)
        }
        Record::Summary {
            wall: at,
            deleted,
            set,
        } => record::summary(wall(*at)?, deleted, set),
        Record::Exit { wall: at, code } => record::exit(wall(*at)?, *code),
        Record::Metric {
            wall: at,
            overwrite,
            metric,
        } => record::metric(wall(*at)?, *overwrite, metric),
        Record::Preempting { wall: at } => record::preempting(wall(*at)?),
        Record::Facts { wall: at, facts } => record::facts(wall(*at)?, facts),
        Record::File {
            wall: at,
            name,
            content,
        } => record::file(wall(*at)?, name, content),
        Record::Blob {
            wall: at,
            name,
            sha256,
            size,
        } => record::blob(wall(*at)?, name, sha256, *size),
        Record::Sample {
            wall: at,
            runtime,
            values,
        } => record::sample(wall(*at)?, wall(*runtime)?, values),
        Record::Output {
            wall: at,
            stream,
            text,
            taken,
        } => record::output(wall(*at)?, *stream, text, *taken),
        Record::Alert { wall: at, alert } => record::alert(wall(*at)?, alert),
        Record::Artifact { wall: at, said } => record::artifact(wall(*at)?, said),
        Record::Base(base) => match record::base(base).as_slice() {
            [whole] => whole.clone(),
            _ => return None,
        },
        Record::Unknown(_) => return None,
    })
}

/// A record is refused, or is what it says it is: written and read once more it is the same.
pub(crate) fn record(bytes: &[u8]) {
    let Ok(parsed) = Record::parse(bytes) else {
        return;
    };
    if let Some(first) = encoded(&parsed) {
        let again = Record::parse(&first).unwrap();
        assert_eq!(encoded(&again).unwrap(), first);
    }
    let mut summary = Summary::default();
    for position in [8, 16] {
        let applied = summary.apply(position, &parsed);
        if let Record::History(history) = &parsed {
            let mut leaves = 0;
            let walked = path::walk(history.values, &mut |_, _| leaves += 1);
            assert_eq!(
                path::count(history.values).ok(),
                walked.ok().map(|()| leaves)
            );
            assert_eq!(applied.is_ok(), path::count(history.values).is_ok());
        }
    }
    let kept = summary.to_bytes();
    assert_eq!(Summary::from_bytes(&kept).unwrap().to_bytes(), kept);
    drop(summary.to_map());
}

/// The segments of a log from any bytes: as they are, or as the payloads of frames that check.
fn write_segments(dir: &Path, bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else {
        return;
    };
    let identity = Identity {
        run: "r".to_owned(),
        writer: "w".to_owned(),
    };
    let count = usize::from(how % 3) + 1;
    let len = bytes.len().div_ceil(count).max(1);
    for (number, piece) in (1..).zip(bytes.chunks(len)) {
        let segment = if how & 0x80 == 0 {
            piece.to_vec()
        } else {
            let mut segment = segment_head(&identity, number).to_vec();
            let mut rest = piece;
            while let Some((len, behind)) = rest.split_first() {
                let (payload, behind) = behind.split_at(behind.len().min(usize::from(*len)));
                let offset = segment.len();
                segment.extend(head_word(number, offset, payload).to_le_bytes());
                segment.extend(payload);
                segment.resize(offset + framed_len(payload.len()), 0);
                rest = behind;
            }
            segment
        };
        std::fs::write(dir.join(format!("{number:08}.wal")), segment).unwrap();
    }
}

fn positions(reader: &mut LogReader, limit: Option<Limit>) -> Vec<u64> {
    let mut found = Vec::new();
    let read = reader.read(limit, |position, _| {
        found.push(position);
        true
    });
    read.unwrap();
    found
}

/// Whatever stands in a run's folder is read: every way of reading finds the same records.
pub(crate) fn recovery(bytes: &[u8]) {
    let run = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let run = run.unwrap();
    let dir = run.path().join("wal").join("w");
    std::fs::create_dir_all(&dir).unwrap();
    write_segments(&dir, bytes);

    let mut reader = LogReader::new(&dir);
    let all = positions(&mut reader, None);
    assert!(all.is_sorted_by(|one, two| one < two));
    let damage = reader.damage().len();
    for (read, position) in (1..).zip(&all) {
        assert!(reader.record(*position).unwrap().is_some());
        reader.seek(*position).unwrap();
        assert_eq!(positions(&mut reader, None), all[read..]);
    }
    // A log that is said to grow: all below the limit is published.
    for end in all.iter().chain([&u64::MAX]) {
        let (segment, offset) = place(*end);
        let mut reader = LogReader::new(&dir);
        let below = positions(&mut reader, Some(Limit { segment, offset }));
        let expected = all.iter().take_while(|position| *position < end);
        assert!(below.iter().eq(expected));
    }
    if let Ok(log) = RunLog::open(run.path()) {
        for writer in &log.writers {
            assert_eq!(writer.records, all.len() as u64);
            assert!(writer.damage.len() >= damage);
        }
        drop((log.summary().to_map(), log.config()));
        let mut rows = log.rows();
        let mut count = 0;
        while let Ok(Some(_)) = rows.next_row() {
            count += 1;
        }
        assert!(count <= log.row_count());
    }
}

/// The file of a table is refused or read, and what the first reading has seen the second one finds.
pub(crate) fn table(bytes: &[u8]) {
    let mut scan = TableScan::default();
    let is_table =
        bytes.chunks(61).all(|piece| scan.feed(piece).is_ok()) && scan.end_file().is_ok();
    if !is_table {
        return;
    }
    let mut blocks = scan.blocks();
    for piece in bytes.chunks(17) {
        blocks.feed(piece).unwrap();
    }
    blocks.end_file().unwrap();
    assert_eq!(blocks.finish().is_empty(), scan.rows() == 0);
}

//! Sends the large files of a writer, beside its records: the server says which it wants, and how far
//! each has come. They lie in the writer's folder, by their hashes.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use serde_json::Value as Json;
use tokio::sync::Notify;

use crate::progress::Progress;
use crate::transport::{NoReply, Reply};

/// Name of the folder, in that of a writer.
pub const FOLDER: &str = "blobs";
/// Most bytes of a part: what the server takes.
const MOST_PART_BYTES: u64 = 16 << 20;
/// The first part; where it comes through, the next ones are larger.
const FIRST_PART_BYTES: u64 = 1 << 20;
/// Where connections break off, parts are not made smaller than this.
const LEAST_PART_BYTES: u64 = 64 << 10;
/// How often a content is sent anew of which the server had a part that was another one's.
const MOST_ANEW: u32 = 3;
/// First wait after a failure; doubles.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// Sends requests about one writer's large files; a fake takes its place in tests.
pub trait Store {
    /// Asks which contents are wanted.
    fn wanted(&mut self) -> impl Future<Output = Result<Reply, NoReply>>;
    /// Sends a part of a content that begins at `from`.
    fn put(
        &mut self,
        sha256: &str,
        from: u64,
        part: Vec<u8>,
    ) -> impl Future<Output = Result<Reply, NoReply>>;
}

/// A content that the server wants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    sha256: String,
    size: u64,
    have: u64,
}

/// What became of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The server has it, or wants it no more.
    Done,
    /// What lies in the folder is not what was recorded, or the server does not keep such.
    Gone,
}

/// The large files of one writer on their way.
#[derive(Debug)]
pub struct Blobs<S> {
    store: S,
    dir: PathBuf,
    progress: Arc<Progress>,
    asked: Arc<Notify>,
    wake: Arc<Notify>,
    gone: HashSet<String>,
    /// What the server has said of one that is more than it keeps.
    refused: Option<String>,
    part_bytes: u64,
    backoff_min: Duration,
}

impl<S: Store> Blobs<S> {
    /// Those in a writer's folder. `asked` is notified when the server wants some, `wake` by this when
    /// some have come.
    pub fn new(
        store: S,
        writer_dir: &Path,
        progress: Arc<Progress>,
        asked: Arc<Notify>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            store,
            dir: writer_dir.join(FOLDER),
            progress,
            asked,
            wake,
            gone: HashSet::new(),
            refused: None,
            part_bytes: FIRST_PART_BYTES,
            backoff_min: BACKOFF_MIN,
        }
    }

    /// Sends what is asked for, until it is dropped.
    pub async fn run(&mut self) {
        loop {
            self.asked.notified().await;
            let mut pause = self.backoff_min;
            while let Err(reason) = self.settle().await {
                self.progress
                    .update(|state| state.blobs.reason = Some(reason));
                self.wake.notify_one();
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_MAX);
            }
            self.wake.notify_one();
        }
    }

    /// Sends until the server wants nothing that is here.
    async fn settle(&mut self) -> Result<(), String> {
        loop {
            let at = self.progress.get().acknowledged;
            let all = self.ask().await?;
            let left = all.len() as u64;
            let (_, here): (Vec<_>, Vec<_>) = all
                .into_iter()
                .partition(|wanted| self.gone.contains(&wanted.sha256));
            if here.is_empty() {
                self.progress.update(|state| {
                    state.blobs.wanted = left;
                    state.blobs.settled = Some(at);
                    state.blobs.reason = self.refused.clone().filter(|_| left > 0);
                });
                return Ok(());
            }
            for wanted in here {
                if self.send(&wanted).await? == Sent::Gone {
                    self.gone.insert(wanted.sha256);
                }
                self.wake.notify_one();
            }
        }
    }

    async fn ask(&mut self) -> Result<Vec<Wanted>, String> {
        let reply = self.store.wanted().await.map_err(|none| none.reason)?;
        if reply.status == 404 {
            return Ok(Vec::new()); // the run was deleted
        }
        let body = reply.json();
        let listed = body.get("wanted").and_then(Json::as_array);
        let listed = listed.filter(|_| reply.status == 200);
        let read = listed.and_then(|all| all.iter().map(wanted).collect());
        read.ok_or_else(|| refusal(&reply))
    }

    async fn send(&mut self, wanted: &Wanted) -> Result<Sent, String> {
        let Some(content) = Content::open(&self.dir.join(&wanted.sha256), wanted) else {
            return Ok(Sent::Gone);
        };
        let content = Arc::new(content);
        let mut hashed = Hashed::default();
        let mut from = wanted.have.min(wanted.size);
        // What the server had may have come from a file that was written into.
        let (mut is_all_ours, mut anew) = (from == 0, 0);
        loop {
            let bytes = self.part_bytes.min(wanted.size - from);
            let read = {
                let content = Arc::clone(&content);
                tokio::task::spawn_blocking(move || content.part(from, bytes, hashed))
            };
            let Ok(Ok((part, after))) = read.await else {
                return Ok(Sent::Gone); // it cannot be read
            };
            hashed = after;
            // The last part completes it: not unless it is what was recorded.
            if from + bytes == wanted.size && hashed.hex() != wanted.sha256 {
                return Ok(Sent::Gone);
            }
            let reply = match self.store.put(&wanted.sha256, from, part).await {
                Ok(reply) => reply,
                Err(none) => {
                    self.part_bytes = (self.part_bytes / 2).max(LEAST_PART_BYTES);
                    return Err(none.reason);
                }
            };
            let body = reply.json();
            let number = |name| body.get(name).and_then(Json::as_u64);
            match (reply.status, number("have"), number("expected")) {
                (200, Some(have), _) if have >= wanted.size => {
                    self.count(bytes);
                    return Ok(Sent::Done);
                }
                (200, Some(have), _) if have > from => {
                    self.count(bytes);
                    self.part_bytes = (self.part_bytes * 2).min(MOST_PART_BYTES);
                    from = have;
                }
                (409, _, Some(expected)) if expected != from && expected <= wanted.size => {
                    is_all_ours &= expected < from;
                    from = expected;
                }
                (404, ..) => return Ok(Sent::Done),
                (413, ..) if self.part_bytes > LEAST_PART_BYTES => {
                    self.part_bytes = (self.part_bytes / 2).max(LEAST_PART_BYTES);
                }
                (422, ..) => match body.get("code").and_then(Json::as_str) {
                    Some("wrong_content") if !is_all_ours && anew < MOST_ANEW => {
                        (from, is_all_ours, anew) = (0, true, anew + 1);
                    }
                    Some("over_limit") => {
                        self.refused = Some(refusal(&reply));
                        return Ok(Sent::Gone);
                    }
                    _ => return Ok(Sent::Gone),
                },
                _ => return Err(refusal(&reply)),
            }
        }
    }

    fn count(&self, bytes: u64) {
        self.progress
            .update(|state| state.blobs.sent_bytes += bytes);
    }
}

/// A file that holds a content, unless it has changed.
#[derive(Debug)]
struct Content(File);

impl Content {
    fn open(path: &Path, wanted: &Wanted) -> Option<Self> {
        let file = File::open(path).ok()?;
        let found = file.metadata().ok()?;
        (found.is_file() && found.len() == wanted.size).then_some(Self(file))
    }

    /// A part, and the hash of all up to its end.
    fn part(&self, from: u64, bytes: u64, mut hashed: Hashed) -> io::Result<(Vec<u8>, Hashed)> {
        if hashed.bytes > from {
            hashed = Hashed::default(); // the server has gone back
        }
        while hashed.bytes < from {
            let bytes = MOST_PART_BYTES.min(from - hashed.bytes);
            hashed.add(&self.read(hashed.bytes, bytes)?);
        }
        let part = self.read(from, bytes)?;
        hashed.add(&part);
        Ok((part, hashed))
    }

    fn read(&self, from: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let mut part = vec![0; bytes];
        self.0.read_exact_at(&mut part, from)?;
        Ok(part)
    }
}

/// The hash of the beginning of a content.
#[derive(Clone)]
struct Hashed {
    context: Context,
    bytes: u64,
}

impl Default for Hashed {
    fn default() -> Self {
        Self {
            context: Context::new(&SHA256),
            bytes: 0,
        }
    }
}

impl Hashed {
    fn add(&mut self, part: &[u8]) {
        self.context.update(part);
        self.bytes += part.len() as u64;
    }

    fn hex(&self) -> String {
        let digest = self.context.clone().finish();
        let nibbles = digest
            .as_ref()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles
            .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
            .collect()
    }
}

/// What an item of the server's list says; none where that is not to be understood. The hash becomes
/// the name of a file.
fn wanted(item: &Json) -> Option<Wanted> {
    let sha256 = item.get("sha256")?.as_str()?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (sha256.len() == 64 && sha256.bytes().all(is_hex)).then_some(())?;
    Some(Wanted {
        sha256: sha256.to_owned(),
        size: item.get("size")?.as_u64()?,
        have: item.get("have")?.as_u64()?,
    })
}

/// Why it was not taken, for people.
fn refusal(reply: &Reply) -> String {
    format!("a file was not taken: {}", reply.detail())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::UploadState;
    use crate::reader::Limit;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone, Copy)]
    enum Fault {
        None,
        DropRequest,
        DropAnswer,
        Status(u16),
        Forget,
    }

    /// A server that keeps parts, behind a network that follows a script.
    struct FlakyStore {
        contents: BTreeMap<String, (u64, Vec<u8>)>,
        script: Vec<Fault>,
    }

    fn json(status: u16, body: &Json) -> Reply {
        Reply {
            status,
            body: body.to_string().into_bytes(),
            ..Reply::default()
        }
    }

    impl FlakyStore {
        fn take(&mut self, sha256: &str, from: u64, part: &[u8]) -> Reply {
            let Some((size, have)) = self.contents.get_mut(sha256) else {
                return json(404, &serde_json::json!({}));
            };
            if from != have.len() as u64 {
                return json(409, &serde_json::json!({ "expected": have.len() }));
            }
            have.extend_from_slice(part);
            assert!(have.len() as u64 <= *size);
            if have.len() as u64 == *size && hex(have) != sha256 {
                have.clear();
                return json(
                    422,
                    &serde_json::json!({ "code": "wrong_content", "have": 0 }),
                );
            }
            json(200, &serde_json::json!({ "have": have.len() }))
        }
    }

    impl Store for &mut FlakyStore {
        async fn wanted(&mut self) -> Result<Reply, NoReply> {
            let left = self.contents.iter();
            let left = left.filter(|(_, (size, have))| (have.len() as u64) < *size);
            let listed: Vec<_> = left
                .map(|(sha256, (size, have))| {
                    serde_json::json!({ "sha256": sha256, "size": size, "have": have.len() })
                })
                .collect();
            Ok(json(200, &serde_json::json!({ "wanted": listed })))
        }

        async fn put(&mut self, sha256: &str, from: u64, part: Vec<u8>) -> Result<Reply, NoReply> {
            let lost = Err(NoReply {
                reason: "reset".to_owned(),
            });
            match self.script.pop().unwrap_or(Fault::None) {
                Fault::None => Ok(self.take(sha256, from, &part)),
                Fault::DropRequest => lost,
                Fault::DropAnswer => {
                    self.take(sha256, from, &part);
                    lost
                }
                Fault::Status(status) => Ok(json(status, &serde_json::json!({}))),
                Fault::Forget => {
                    for (_, have) in self.contents.values_mut() {
                        have.clear();
                    }
                    Ok(self.take(sha256, from, &part))
                }
            }
        }
    }

    fn hex(content: &[u8]) -> String {
        let mut hashed = Hashed::default();
        hashed.add(content);
        hashed.hex()
    }

    /// Lets everything that the store wants be sent from a folder; what `wanted` says at the end.
    fn run(dir: &Path, store: &mut FlakyStore, part_bytes: u64) -> u64 {
        let limit = Limit {
            segment: u32::MAX,
            offset: 0,
        };
        let progress = Arc::new(Progress::new(limit, UploadState::Connected));
        let (asked, wake) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        progress.update(|state| state.blobs.wanted = 1);
        asked.notify_one();
        let mut blobs = Blobs::new(store, dir, Arc::clone(&progress), asked, Arc::clone(&wake));
        blobs.part_bytes = part_bytes;
        blobs.backoff_min = Duration::ZERO;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let settled = async {
                while progress.get().blobs.is_pending(0) {
                    wake.notified().await;
                }
            };
            tokio::select! {
                () = blobs.run() => {}
                () = settled => {}
            }
        });
        progress.get().blobs.wanted
    }

    fn fault() -> impl Strategy<Value = Fault> {
        prop_oneof![
            Just(Fault::None),
            Just(Fault::DropRequest),
            Just(Fault::DropAnswer),
            Just(Fault::Forget),
            prop::sample::select(vec![429, 500, 503]).prop_map(Fault::Status),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn contents_arrive_whole_whatever_the_network_does(
            script in prop::collection::vec(fault(), 0..30),
            sizes in prop::collection::vec(1_usize..400_000, 1..4),
            part_bytes in 1_u64..300_000,
        ) {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
            let mut store = FlakyStore { contents: BTreeMap::new(), script };
            let mut expected = BTreeMap::new();
            for (number, size) in sizes.into_iter().enumerate() {
                let content: Vec<u8> = (0..size).map(|at| (at * 31 + number).to_le_bytes()[0]).collect();
                std::fs::write(dir.path().join(FOLDER).join(hex(&content)), &content).unwrap();
                store.contents.insert(hex(&content), (size as u64, Vec::new()));
                expected.insert(hex(&content), (size as u64, content));
            }
            prop_assert_eq!(run(dir.path(), &mut store, part_bytes), 0);
            prop_assert!(store.contents == expected);
        }
    }

    #[test]
    fn what_is_not_as_it_was_recorded_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let (whole, changed) = (b"0123456789".as_slice(), b"abcdefghij".as_slice());
        std::fs::write(folder.join(hex(whole)), whole).unwrap();
        std::fs::write(folder.join(hex(changed)), b"ABCDEFGHIJ").unwrap();
        let missing = hex(b"missing");
        let contents = [hex(whole), hex(changed), missing.clone()];
        let contents = contents
            .into_iter()
            .map(|sha256| (sha256, (10, Vec::new())));
        let mut store = FlakyStore {
            contents: contents.collect(),
            script: Vec::new(),
        };
        assert_eq!(run(dir.path(), &mut store, 4), 2);
        assert_eq!(store.contents[&hex(whole)].1, whole);
        assert!(store.contents[&hex(changed)].1.len() < 10, "not completed");
        assert!(store.contents[&missing].1.is_empty());
    }

    #[test]
    fn what_another_one_has_sent_wrong_is_sent_anew() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let content = b"0123456789".as_slice();
        std::fs::write(folder.join(hex(content)), content).unwrap();
        let mut store = FlakyStore {
            contents: BTreeMap::from([(hex(content), (10, b"0123xx".to_vec()))]),
            script: Vec::new(),
        };
        assert_eq!(run(dir.path(), &mut store, 3), 0);
        assert_eq!(store.contents[&hex(content)].1, content);
    }

    #[test]
    fn names_of_files_come_from_no_server() {
        for sha256 in ["", "../../etc/passwd", &"A".repeat(64), &"/".repeat(64)] {
            let item = serde_json::json!({ "sha256": sha256, "size": 1, "have": 0 });
            assert_eq!(wanted(&item), None, "{sha256}");
        }
    }
}

//! Files of sealed frames: written from the beginning, appended to, read back after a crash.
//!
//! A file is its head, then frame after frame, each behind its length (4 bytes, little endian) and the same with all bits
//! turned, so that a damaged length is not taken for the end. Knows neither what a frame says nor where the keys are from.
//! A new file takes the place of an old one in one step, so that there is always a whole one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::seal::frames::{FrameKeys, Frames, HEAD};

/// The longest sealed frame: no length that a damaged file claims takes more memory than this.
const LONGEST: u32 = 16 * 1024 * 1024;
/// The bytes before a sealed frame.
const LENGTH: usize = 8;

/// A file of frames that is being written.
pub struct FrameFile {
    path: PathBuf,
    file: BufWriter<File>,
    frames: Frames,
    next: u64,
    bytes: u64,
}

/// How far a file could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// To its end; what was written last may be torn off in the middle, as by a crash.
    Whole,
    /// To a frame that does not open, or of a file under no key that is known.
    Broken,
}

impl FrameFile {
    /// Begins a file, beside the one of that name that may be there; [`FrameFile::take_place`] replaces it.
    pub fn begin(path: &Path, keys: &FrameKeys) -> io::Result<Self> {
        let new = path.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let frames = keys.begin();
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(frames.head())?;
        Ok(Self { path: new, file, frames, next: 0, bytes: HEAD as u64 })
    }

    /// Writes all down for good and takes the place of the file of that name.
    pub fn take_place(mut self, path: &Path) -> io::Result<Self> {
        self.sync()?;
        fs::rename(&self.path, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { path: path.to_owned(), ..self })
    }

    /// Appends a frame; it may be lost until [`FrameFile::sync`] has come back.
    pub fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let sealed = self.frames.seal(self.next, frame);
        let length = u32::try_from(sealed.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&(!length).to_le_bytes())?;
        self.file.write_all(&sealed)?;
        self.next += 1;
        self.bytes += LENGTH as u64 + u64::from(length);
        Ok(())
    }

    /// Writes all that was appended down for good.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is sealed under the key that writes now.
    pub fn is_current(&self, keys: &FrameKeys) -> bool {
        self.frames.is_current(keys)
    }

    /// Reads a file frame by frame, and opens it for more behind the last whole one; `None` where there is no file. What
    /// `each` makes of a frame is `false` where it makes no sense, which breaks the file.
    pub fn read(
        path: &Path,
        keys: &FrameKeys,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Option<(Option<Self>, End)>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut head = [0; HEAD];
        if !filled(&mut reader, &mut head)? {
            return Ok(Some((None, End::Broken)));
        }
        let Some(frames) = keys.resume(head) else { return Ok(Some((None, End::Broken))) };
        let (mut next, mut bytes) = (0, HEAD as u64);
        loop {
            match next_frame(&mut reader)? {
                Next::Nothing => break,
                Next::Sealed(sealed) if frames.open(next, &sealed).is_some_and(|frame| each(&frame)) => {
                    next += 1;
                    bytes += (LENGTH + sealed.len()) as u64;
                }
                Next::Sealed(_) | Next::Damaged => return Ok(Some((None, End::Broken))),
            }
        }
        let mut file = reader.into_inner();
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0))?;
        let path = path.to_owned();
        Ok(Some((Some(Self { path, file: BufWriter::new(file), frames, next, bytes }), End::Whole)))
    }
}

/// What stands where the next frame may be.
enum Next {
    /// A frame.
    Sealed(Vec<u8>),
    /// The end, or the beginning of a frame that never came whole.
    Nothing,
    /// Something that nobody wrote.
    Damaged,
}

fn next_frame(reader: &mut impl io::Read) -> io::Result<Next> {
    let mut lengths = [0; LENGTH];
    if !filled(reader, &mut lengths)? {
        return Ok(Next::Nothing);
    }
    let [a, b, c, d, turned @ ..] = lengths;
    let (length, turned) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(turned));
    // A file system may have made room for a frame that never came.
    if (length, turned) == (0, 0) {
        return Ok(Next::Nothing);
    }
    if turned != !length || length > LONGEST {
        return Ok(Next::Damaged);
    }
    let mut sealed = vec![0; length as usize];
    Ok(if filled(reader, &mut sealed)? { Next::Sealed(sealed) } else { Next::Nothing })
}

/// Fills the buffer; `false` where there are fewer bytes.
fn filled(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes a folder for this process alone, until the answer is dropped; `None` while another process has it. Makes the folder
/// where there is none, for its owner's eyes alone.
pub fn take_folder(folder: &Path) -> io::Result<Option<File>> {
    fs::DirBuilder::new().recursive(true).create(folder)?;
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::RootKeys;

    fn keys(text: &str) -> FrameKeys {
        FrameKeys::new(&RootKeys::parse(text).unwrap(), "tests")
    }

    fn read(path: &Path, keys: &FrameKeys) -> (Vec<Vec<u8>>, Option<FrameFile>, End) {
        let mut found = Vec::new();
        let (file, end) = FrameFile::read(path, keys, |frame| {
            found.push(frame.to_vec());
            true
        })
        .unwrap()
        .unwrap();
        (found, file, end)
    }

    fn written(path: &Path, keys: &FrameKeys) {
        let mut file = FrameFile::begin(path, keys).unwrap();
        for frame in [&b"one"[..], b"", b"three"] {
            file.append(frame).unwrap();
        }
        file.take_place(path).unwrap();
    }

    #[test]
    fn what_was_appended_is_read_back_and_appended_to_under_old_and_new_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (old, new) = (RootKeys::generate(), RootKeys::generate());
        let before = keys(&old);
        assert!(FrameFile::read(&path, &before, |_| true).unwrap().is_none());
        written(&path, &before);
        let (_, file, _) = read(&path, &before);
        let mut file = file.unwrap();
        file.append(b"four").unwrap();
        file.sync().unwrap();
        let both = keys(&format!("2:{new},1:{old}"));
        let (found, file, end) = read(&path, &both);
        assert_eq!(
            (found, end),
            (vec![b"one".to_vec(), vec![], b"three".to_vec(), b"four".to_vec()], End::Whole)
        );
        assert!(file.as_ref().unwrap().is_current(&before) && !file.unwrap().is_current(&both));
        assert_eq!(read(&path, &keys(&format!("2:{new}"))).2, End::Broken);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_any_flipped_bit_breaks_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let keys = keys(&RootKeys::generate());
        written(&path, &keys);
        let whole = fs::read(&path).unwrap();
        for length in HEAD..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (found, file, end) = read(&path, &keys);
            assert_eq!(end, End::Whole, "cut at {length}");
            assert!(found.len() < 3);
            assert_eq!(fs::metadata(&path).unwrap().len(), file.unwrap().bytes());
        }
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(read(&path, &keys).2, End::Broken, "byte {place}");
        }
    }

    #[test]
    fn a_folder_is_one_process_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let held = take_folder(&path).unwrap();
        assert!(held.is_some() && take_folder(&path).unwrap().is_none());
        drop(held);
        assert!(take_folder(&path).unwrap().is_some());
    }
}

//! Every structure of the format as bytes, each with the decoder that must refuse what became of them.

use quipu_format::FormatError;
use quipu_format::checksum::{self, Domain, Place};
use quipu_format::frame::{Link, decode_seal};
use quipu_format::manifest::{Edit, ManifestHeader};
use quipu_format::record::{Check, Record};
use quipu_format::segment::SegmentHeader;

use crate::samples;

pub(crate) type Decoder = fn(&[u8], Place) -> Result<(), FormatError>;

pub(crate) fn segment(bytes: &[u8], _: Place) -> Result<(), FormatError> {
    SegmentHeader::decode(bytes).map(drop)
}

pub(crate) fn manifest(bytes: &[u8], _: Place) -> Result<(), FormatError> {
    ManifestHeader::decode(bytes).map(drop)
}

pub(crate) fn frame(bytes: &[u8], place: Place) -> Result<(), FormatError> {
    samples::read_frame(bytes, place).map(drop)
}

/// The body of a link whose frame stands at `place`.
pub(crate) fn link(bytes: &[u8], place: Place) -> Result<(), FormatError> {
    Link::decode(bytes, place).map(drop)
}

/// The body of a seal whose frame stands at `place`.
pub(crate) fn seal(bytes: &[u8], place: Place) -> Result<(), FormatError> {
    decode_seal(bytes, place).map(drop)
}

pub(crate) fn record(bytes: &[u8], place: Place) -> Result<(), FormatError> {
    let record = Record::parse(bytes, place, Check::Sum)?;
    assert!(record.padded_len() <= bytes.len() as u64);
    Ok(())
}

pub(crate) fn edit(bytes: &[u8], place: Place) -> Result<(), FormatError> {
    let (_, _, len) = Edit::decode(bytes, place)?;
    assert!(len <= bytes.len() as u64);
    Ok(())
}

pub(crate) const DECODERS: [Decoder; 7] = [segment, manifest, frame, link, seal, record, edit];

/// A valid structure.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) place: Place,
    pub(crate) decode: Decoder,
}

impl Sample {
    fn new(name: &'static str, offset: u64, decode: Decoder, bytes: &[u8]) -> Sample {
        let sample = Sample { name, bytes: bytes.to_vec(), place: samples::place(offset), decode };
        assert_eq!(sample.decoded(), Ok(()), "{name}");
        sample
    }

    pub(crate) fn decoded(&self) -> Result<(), FormatError> {
        (self.decode)(&self.bytes, self.place)
    }
}

/// The header pages, whose checksum knows no place.
pub(crate) fn pages() -> [Sample; 2] {
    [
        Sample::new("segment header", 0, segment, &samples::segment_header().encode()),
        Sample::new("manifest header", 0, manifest, &samples::manifest_header().encode()),
    ]
}

/// Whatever is tied to its place.
pub(crate) fn placed() -> Vec<Sample> {
    let at = samples::place;
    let (link_sample, seal_sample) = (samples::link_after(), samples::seal_frame());
    let commit = samples::commit(&samples::events_header(), &samples::events(), at(8192));
    let mut all = vec![
        Sample::new("mark", 8224, frame, &samples::mark(true).encode(at(8224))),
        Sample::new("link frame", 4096, frame, &samples::link_frame(&link_sample, at(4096))),
        Sample::new("link", 4096, link, &link_sample.1.encode(at(4096))),
        Sample::new("commit", 8192, frame, &commit),
        Sample::new(
            "seal frame",
            0x8_0000,
            frame,
            &samples::seal_frame_bytes(&seal_sample, at(0x8_0000)),
        ),
    ];
    for event in samples::events() {
        all.push(Sample::new("record", 4144, record, &samples::record(&event, at(4144))));
    }
    for (name, number, offset, sample) in samples::edits() {
        let mut bytes = Vec::new();
        sample.encode(number, at(offset), &mut bytes);
        all.push(Sample::new(name, offset, edit, &bytes));
    }
    all
}

/// The domain of the checksum that begins a sample, where it is the sample's only one.
pub(crate) fn domain(sample: &Sample) -> Option<Domain> {
    match sample.name {
        "mark" => Some(Domain::Frame),
        "link" => Some(Domain::Body),
        "record" => Some(Domain::Record),
        name if name.starts_with("edit") => Some(Domain::Edit),
        _ => None,
    }
}

/// Sums a changed structure anew, as far as its length says, so that its checksum matches again. The
/// order is stated here once more: tail, head, salt turned by the domain, offset, domain.
pub(crate) fn mend(bytes: &mut [u8], domain: Domain, place: Place) {
    let claimed = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes")) as usize;
    let end = claimed.next_multiple_of(16).clamp(32, bytes.len());
    mend_all(&mut bytes[..end], domain, place);
}

/// The same for a structure whose end its length does not say: a frame header, a link, a seal.
pub(crate) fn mend_all(bytes: &mut [u8], domain: Domain, place: Place) {
    let mut summed = bytes[32..].to_vec();
    summed.extend_from_slice(&bytes[4..32]);
    let salt = place.salt.0.to_be_bytes();
    let turned: Vec<u8> = salt.iter().cycle().skip(domain as usize).take(8).copied().collect();
    summed.extend(turned.iter().rev());
    summed.extend_from_slice(&((place.offset.0 / 16) as u32).to_le_bytes());
    summed.extend_from_slice(&(domain as u32).to_le_bytes());
    bytes[..4].copy_from_slice(&checksum::plain(&summed).to_le_bytes());
}

/// The same for a header page, which is summed in its last four bytes.
pub(crate) fn mend_page(bytes: &mut [u8]) {
    let sum = checksum::plain(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&sum.to_le_bytes());
}

/// CRC-32 bit by bit, as its definition says.
fn bit_by_bit(bytes: &[u8]) -> u32 {
    let mut state = u32::MAX;
    for byte in bytes {
        state ^= u32::from(*byte);
        for _ in 0..8 {
            state = (state >> 1) ^ if state & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !state
}

#[test]
fn the_checksum_is_what_its_definition_gives() {
    for len in 0..300 {
        let bytes: Vec<u8> = (0..len).map(|at: u32| (at * 7 + 3) as u8).collect();
        assert_eq!(checksum::plain(&bytes), bit_by_bit(&bytes));
    }
}

#[test]
fn mending_gives_the_checksum_that_the_crate_gives() {
    let mut mended = 0;
    for sample in placed() {
        let Some(domain) = domain(&sample) else { continue };
        // A link's body stands after its frame's header.
        let skip = if sample.name == "link" { 32 } else { 0 };
        let mut bytes = sample.bytes.clone();
        mend_all(&mut bytes, domain, sample.place.plus(skip));
        assert_eq!(bytes, sample.bytes, "{}", sample.name);
        mended += 1;
    }
    // All but the commit and the frames of link and seal, which have several checksums.
    assert_eq!(mended, placed().len() - 3);
    for sample in pages() {
        let mut bytes = sample.bytes.clone();
        mend_page(&mut bytes);
        assert_eq!(bytes, sample.bytes, "{}", sample.name);
    }
}

//! PNG files of pixels.

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The PNG file of rows of pixels: of one byte a channel, or of one channel of two bytes, the higher
/// one first.
#[pyfunction]
pub(crate) fn encode_png<'py>(
    pixels: &Bound<'py, PyAny>,
    width: u32,
    height: u32,
    channels: u32,
    depth: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = pixels.py();
    let refused = |why: String| PyValueError::new_err(format!("no PNG file has that: {why}"));
    let color = match channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        4 => ColorType::Rgba,
        _ => return Err(refused(format!("{channels} channels"))),
    };
    let depth = match depth {
        8 => BitDepth::Eight,
        16 => BitDepth::Sixteen,
        _ => return Err(refused(format!("{depth} bits a channel"))),
    };
    let rows = PyBuffer::<u8>::get(pixels)?.to_vec(py)?;
    let file = py
        .detach(|| encode(&rows, (width, height), (color, depth)))
        .map_err(|error| refused(error.to_string()))?;
    Ok(PyBytes::new(py, &file))
}

/// A tenth of the time of zlib's usual level, and files that are 4 to 12 % larger.
fn encode(
    rows: &[u8],
    (width, height): (u32, u32),
    (color, depth): (ColorType, BitDepth),
) -> Result<Vec<u8>, EncodingError> {
    let mut file = Vec::with_capacity(rows.len() / 2);
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rows)?;
    writer.finish()?;
    Ok(file)
}

//! QR codes read back by a reader that is not ours, as a phone's camera would.

use rqrr::PreparedImage;

/// So many pixels wide is a module that comes from a terminal's character.
const MODULE_PIXELS: usize = 4;

/// The text of the one code in a picture of which each pixel's brightness is told.
fn read(width: usize, height: usize, brightness: impl FnMut(usize, usize) -> u8) -> String {
    let mut image = PreparedImage::prepare_from_greyscale(width, height, brightness);
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1, "codes in the picture");
    codes[0].decode().expect("the code can be read").1
}

/// The text of the code in a picture in PNG.
pub fn read_png(bytes: &[u8]) -> String {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("it is a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it fits into memory")];
    let frame = reader.next_frame(&mut pixels).expect("the picture is whole");
    let (width, height) = (frame.width as usize, frame.height as usize);
    let pixel_bytes = frame.color_type.samples();
    // The green part of a colour, or the brightness itself.
    let part = usize::from(pixel_bytes > 2);
    read(width, height, |x, y| pixels[(y * width + x) * pixel_bytes + part])
}

/// The text of the code in lines for a terminal, black on white: each has two rows of modules, as half blocks.
pub fn read_lines(lines: &[String]) -> String {
    let rows: Vec<Vec<char>> =
        lines.iter().map(|line| line.replace("\x1b[30;47m", "").replace("\x1b[0m", "").chars().collect()).collect();
    let is_dark = |x: usize, y: usize| match rows[y / 2][x] {
        '█' => true,
        '▀' => y.is_multiple_of(2),
        '▄' => !y.is_multiple_of(2),
        ' ' => false,
        other => panic!("{other:?} in a code"),
    };
    let (width, height) = (rows[0].len() * MODULE_PIXELS, 2 * rows.len() * MODULE_PIXELS);
    read(width, height, |x, y| if is_dark(x / MODULE_PIXELS, y / MODULE_PIXELS) { 0 } else { 255 })
}

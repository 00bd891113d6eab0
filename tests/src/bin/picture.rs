//! Draws docs/client.svg from a real run (tests/picture): a room, three members, and what one of them sees at her terminal.
#![cfg_attr(loom, allow(unused))]

#[cfg(not(loom))]
fn main() -> std::io::Result<()> {
    std::fs::write(tests::workspace::root().join("docs/client.svg"), picture::svg(&picture::run()))
}

#[cfg(loom)]
fn main() {}

/// The run and the drawing.
#[cfg(not(loom))]
mod picture {
    use std::fmt::Write as _;
    use tests::process::RoomServer;
    use tests::tcp::Connection;
    use tests::terminal::Terminal;
    use vt100::{Cell, Color};

    /// Columns and rows of the terminal.
    const SIZE: (u16, u16) = (92, 13);

    /// Width and height of a cell, in the picture's units.
    const CELL: (f32, f32) = (8.4, 18.0);

    /// The address that the picture shows in place of the run's own.
    const ADDRESS: &str = "192.168.1.5:9191";

    /// The conversation, and the terminal at its end.
    pub(super) fn run() -> (Terminal, String) {
        let room = RoomServer::start("127.0.0.1:0", &["--rate", "off"]);
        let address = room.tcp.to_string();
        let mut emil = Connection::joined(room.tcp, "emil", 2);
        say(&mut emil, 1, "good morning");
        let mut cleo = Connection::joined(room.tcp, "cleo", 3);
        say(&mut cleo, 1, "morning! who is at the telescope?");
        let mut ann = Terminal::start_sized(SIZE.0, SIZE.1, &["client", "--tcp", &address, "--name", "ann"]);
        ann.find_on_screen("before you came");
        ann.type_keys("me, with the new filter\r");
        ann.find_on_screen("ann: me");
        let mut dan = Connection::joined(room.tcp, "Jürgen", 4);
        ann.find_on_screen("-> Jürgen");
        say(&mut emil, 2, "great. ann, can you see Saturn? 🪐");
        ann.find_on_screen("Saturn");
        ann.type_keys("/me turns the dome\r");
        ann.find_on_screen("* ann turns");
        say(&mut dan, 1, "I bring the coffee up ☕");
        ann.find_on_screen("coffee");
        ann.type_keys("clear sky, come and lo");
        ann.find_on_screen("come and lo");
        (ann, address)
    }

    /// Somebody says something, and hears it: the conversation has the same order in each run.
    fn say(connection: &mut Connection, number: u32, text: &str) {
        let kind = chat_core::room::Kind::Plain;
        connection.send(&chat_core::room::Message::Say { number, kind, text });
        while !connection.hear_journal().contains(text) {}
    }

    /// What the terminal shows, as a picture.
    pub(super) fn svg((terminal, address): &(Terminal, String)) -> String {
        let (width, height) = (f32::from(SIZE.0) * CELL.0 + 24.0, f32::from(SIZE.1) * CELL.1 + 24.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, Menlo, Consolas, \
             'DejaVu Sans Mono', monospace\" font-size=\"14\">\n<!-- Made by tests/picture from a real run. -->\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1b1d21\"/>\n"
        );
        for row in 0..SIZE.1 {
            for (column, text, style) in runs(terminal, row) {
                let (x, y) = (12.0 + f32::from(column) * CELL.0, 26.0 + f32::from(row) * CELL.1);
                let text = text.replace(address.as_str(), ADDRESS);
                let text = text.replace('&', "&amp;").replace('<', "&lt;");
                let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" xml:space=\"preserve\" {style}>{text}</text>");
            }
        }
        let (row, column) = terminal.cursor();
        let (x, y) = (12.0 + f32::from(column) * CELL.0, 13.0 + f32::from(row) * CELL.1);
        svg + &format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"17\" fill=\"#d7dae0\"/>\n</svg>\n",
            CELL.0
        )
    }

    /// The pieces of a row that look alike: where each begins, its text, and its style.
    fn runs(terminal: &Terminal, row: u16) -> Vec<(u16, String, String)> {
        let mut runs: Vec<(u16, String, String)> = Vec::new();
        for column in 0..SIZE.0 {
            let Some(cell) = terminal.cell(row, column).filter(|cell| cell.has_contents()) else { continue };
            let style = style(cell);
            match runs.last_mut() {
                Some((start, text, last)) if *last == style && *start + width(text) == column => {
                    text.push_str(cell.contents());
                }
                _ => runs.push((column, cell.contents().to_owned(), style)),
            }
        }
        runs
    }

    /// The cells of a text, in which only the picture's own emoji are wide.
    fn width(text: &str) -> u16 {
        text.chars().map(|character| if character as u32 >= 0x2600 { 2 } else { 1 }).sum()
    }

    /// How a cell looks.
    fn style(cell: &Cell) -> String {
        let color = match cell.fgcolor() {
            Color::Idx(index) if index >= 16 => {
                let level = |step: u8| [0, 95, 135, 175, 215, 255][usize::from(step % 6)];
                let step = index - 16;
                format!("#{:02x}{:02x}{:02x}", level(step / 36), level(step / 6), level(step))
            }
            _ => "#d7dae0".to_owned(),
        };
        let mut style = format!("fill=\"{color}\"");
        if cell.dim() {
            style += " opacity=\"0.55\"";
        }
        if cell.bold() {
            style += " font-weight=\"bold\"";
        }
        if cell.inverse() {
            style += " text-decoration=\"underline\" font-weight=\"bold\"";
        }
        style
    }
}

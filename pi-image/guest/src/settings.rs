//! `settings.txt` on the card (docs/pi-image.md, Settings): lines `key = value`, edited on any PC.
//!
//! Whatever the file holds, every key ends up with a value that the scripts can take as it is: characters and form are checked for
//! each key, and nothing is ever evaluated. A line that is wrong is reported with its number and skipped.

mod key;
mod text;

use key::{KEYS, Key};
use std::path::Path;

/// Longest line that is read, in bytes; a comment may be longer.
const LINE_BYTES_MAX: usize = 300;

/// Characters of a wrong value that are shown.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// What is wrong with a line, in words for the person who wrote it.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    /// The line, from 1.
    line: usize,
    /// What is wrong.
    what: String,
}

/// A value for every key, in the order of `KEYS`.
#[derive(Debug)]
struct Settings {
    /// The values, each with the line that it comes from, or `None` for the default.
    values: Vec<(String, Option<usize>)>,
    /// What is wrong with the file.
    complaints: Vec<Complaint>,
}

/// Reads the file, prints what is wrong with it, and writes each value into a file of its own, named like its key. A file that
/// cannot be read gives the defaults.
pub(crate) fn run(file: &Path, folder: &Path) -> Result<(), String> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| {
        println!("pi: {}: {error}: the defaults are taken", file.display());
        Vec::new()
    });
    let settings = Settings::read(&text::decode(&bytes));
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for Complaint { line, what } in &settings.complaints {
        println!("pi: {name} line {line}: {what}");
    }
    for (key, (value, line)) in KEYS.iter().zip(&settings.values) {
        if line.is_some() {
            println!("pi: {} = {value}", key.name);
        }
        std::fs::write(folder.join(key.name), format!("{value}\n"))
            .map_err(|error| format!("cannot write into {}: {error}", folder.display()))?;
    }
    Ok(())
}

impl Settings {
    /// Reads the text of the file.
    fn read(text: &str) -> Self {
        let values = KEYS.iter().map(|key| (key.default.to_owned(), None)).collect();
        let mut settings = Self { values, complaints: Vec::new() };
        for (index, line) in text::lines(text).enumerate() {
            if let Err(what) = settings.take(index + 1, line.trim()) {
                settings.complaints.push(Complaint { line: index + 1, what });
            }
        }
        settings.check_address();
        settings.check_ports();
        settings.complaints.sort_by_key(|complaint| complaint.line);
        settings
    }

    /// Takes one line.
    fn take(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("longer than {LINE_BYTES_MAX} bytes: skipped"));
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("{} is no setting (key = value): skipped", shown(line)));
        };
        // A remark may stand behind a value; no value has a # in it.
        let value = value.split('#').next().unwrap_or_default().trim();
        let name = name.trim().to_ascii_lowercase();
        let Some(index) = KEYS.iter().position(|key| key.name == name) else {
            return Err(format!("there is no setting {}: skipped", shown(&name)));
        };
        let Key { check, expected, .. } = KEYS[index];
        let Some(checked) = check(value) else {
            return Err(format!("{name}: {} is not {expected}: skipped", shown(value)));
        };
        let earlier = self.values[index].1;
        self.values[index] = (checked, Some(number));
        match earlier {
            Some(earlier) => Err(format!("{name} is in line {earlier} too: this one counts")),
            None => Ok(()),
        }
    }

    /// The value of a key, and its line.
    fn value(&self, name: &str) -> (&str, Option<usize>) {
        let index = KEYS.iter().position(|key| key.name == name);
        index.map_or(("", None), |index| (self.values[index].0.as_str(), self.values[index].1))
    }

    /// Router and name server count only with a fixed address (otherwise DHCP gives them), and the router must be in its network.
    fn check_address(&mut self) {
        let (address, _) = self.value("address");
        let address = address.to_owned();
        for name in ["gateway", "dns"] {
            let (value, line) = self.value(name);
            let Some(line) = line else { continue };
            let what = if address == "dhcp" {
                format!("{name}: only for an address of your own (address = …): skipped")
            } else if name == "gateway" && !key::is_in_network(value, &address) {
                format!("{name}: {} is not in the network of {address}: skipped", shown(value))
            } else {
                continue;
            };
            self.complaints.push(Complaint { line, what });
            if let Some(index) = KEYS.iter().position(|key| key.name == name) {
                self.values[index] = (KEYS[index].default.to_owned(), None);
            }
        }
    }

    /// Room and page are both on TCP, and cannot have one port: the room keeps it.
    fn check_ports(&mut self) {
        let ((room, _), (page, line)) = (self.value("room_port"), self.value("page_port"));
        let Some(line) = line.filter(|_| room == page) else { return };
        self.complaints.push(Complaint { line, what: format!("page_port: the room has port {room}: skipped") });
        if let Some(index) = KEYS.iter().position(|key| key.name == "page_port") {
            self.values[index] = (KEYS[index].default.to_owned(), None);
        }
    }
}

/// Text of the file in a form that can be printed on a console: without control characters, and cut if it is long.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{dots}\"", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        Settings::read(text)
    }

    /// A file of one line, wrong, with what is said of it; the key keeps its default.
    fn check_skipped(line: &str, name: &str, said: &str) {
        let settings = read(&format!("# first\n{line}\n"));
        assert_eq!(settings.complaints.len(), 1, "{line}: {:?}", settings.complaints);
        let Complaint { line: number, what } = &settings.complaints[0];
        assert!(*number == 2 && what.contains(said), "{line}: {what}");
        let default = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
        assert_eq!(settings.value(name), (default, None), "{line}");
    }

    #[test]
    fn file_of_the_card_is_the_defaults_without_complaint() {
        let settings = read(include_str!("../../card/settings.txt"));
        assert_eq!(settings.complaints, []);
        for (key, (value, _)) in KEYS.iter().zip(&settings.values) {
            assert_eq!(value, key.default, "{}", key.name);
        }
    }

    #[test]
    fn every_key_is_explained_on_the_card_and_in_the_document() {
        let (card, document) = (include_str!("../../card/settings.txt"), include_str!("../../../docs/pi-image.md"));
        for key in KEYS {
            assert!(card.contains(&format!("#{} = ", key.name)), "{}", key.name);
            assert!(document.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }

    #[test]
    fn every_key_takes_what_it_is_for() {
        for (line, value) in [
            ("hostname = Room-7", "room-7"),
            ("relay_port=1024", "1024"),
            ("room_port = 65535", "65535"),
            ("page_port = 8080", "8080"),
            ("page_port = 80", "80"),
            ("page_port = OFF", "off"),
            ("max_clients = 1", "1"),
            ("max_members = unlimited", "unlimited"),
            ("rate = off", "off"),
            ("rate = 1000", "1000"),
            ("peer = Küche_2", "Küche_2"),
            ("peer = OFF", "off"),
            ("address = 192.168.1.5/24", "192.168.1.5/24"),
            (
                "time_server = time.example.org:1123, 192.0.2.1,[2001:db8::1]:123",
                "time.example.org:1123 192.0.2.1 [2001:db8::1]:123",
            ),
            ("time_server = off", "off"),
            ("  HOSTNAME\t=\tlab   # of the second floor", "lab"),
        ] {
            let settings = read(line);
            assert_eq!(settings.complaints, [], "{line}");
            assert!(settings.values.contains(&(value.to_owned(), Some(1))), "{line}: {:?}", settings.values);
        }
    }

    #[test]
    fn nothing_that_a_shell_would_run_gets_through() {
        for value in
            ["$(reboot)", "`reboot`", "a;reboot", "a|b", "a&b", "../x", "a b", "a'b", "a\"b", "$HOME", "*", "\\n", "-x"]
        {
            for key in KEYS {
                check_skipped(&format!("{} = {value}", key.name), key.name, key.name);
            }
        }
    }

    #[test]
    fn wrong_values_are_skipped_with_what_is_expected() {
        for (line, name) in [
            ("hostname =", "hostname"),
            ("hostname = -pi", "hostname"),
            ("hostname = pi.local", "hostname"),
            ("hostname = pï", "hostname"),
            ("relay_port = 1023", "relay_port"),
            ("relay_port = 65536", "relay_port"),
            ("relay_port = 5353", "relay_port"),
            ("room_port = 0x2000", "room_port"),
            ("room_port = 80", "room_port"),
            ("page_port = 81", "page_port"),
            ("page_port = 080x", "page_port"),
            ("page_port = none", "page_port"),
            ("room_port = +9191", "room_port"),
            ("max_clients = 0", "max_clients"),
            ("max_members = 99999999999", "max_members"),
            ("rate = 0", "rate"),
            ("rate = 1001", "rate"),
            ("peer =", "peer"),
            ("peer = pi.", "peer"),
            ("peer = -pi", "peer"),
            ("peer = abcdefghijklmnopqrstuvwxyz0123456", "peer"),
            ("address = 192.168.1.5", "address"),
            ("address = 192.168.1.0/24", "address"),
            ("address = 192.168.1.255/24", "address"),
            ("address = 127.0.0.1/8", "address"),
            ("address = 224.0.0.1/24", "address"),
            ("address = 192.168.1.5/31", "address"),
            ("time_server = a,,b", "time_server"),
            ("time_server = a:0", "time_server"),
            ("time_server = a,b,c,d,e", "time_server"),
        ] {
            check_skipped(line, name, "is not ");
        }
        check_skipped(&format!("hostname = {}", "a".repeat(64)), "hostname", "…");
    }

    #[test]
    fn what_is_no_setting_is_skipped() {
        check_skipped("password = secret", "hostname", "no setting \"password\"");
        check_skipped("hostname", "hostname", "key = value");
        check_skipped(&format!("hostname = {}", "a".repeat(400)), "hostname", "longer than 300 bytes");
        check_skipped("hostname = \u{1b}[2J\u{202e}", "hostname", "\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn second_line_for_a_key_counts_and_is_reported() {
        let settings = read("hostname = a\nhostname = b\n");
        assert_eq!(settings.value("hostname"), ("b", Some(2)));
        assert_eq!(settings.complaints[0].what, "hostname is in line 1 too: this one counts");
    }

    #[test]
    fn page_on_the_rooms_port_is_skipped() {
        let settings = read("page_port = 7001\nroom_port = 7001\n");
        assert_eq!((settings.value("page_port"), settings.value("room_port")), (("80", None), ("7001", Some(2))));
        assert_eq!(settings.complaints[0].what, "page_port: the room has port 7001: skipped");
        check_skipped("page_port = 9191", "page_port", "the room has port 9191");
    }

    #[test]
    fn router_and_name_server_need_an_address() {
        check_skipped("gateway = 192.168.1.1", "gateway", "only for an address");
        check_skipped("dns = 192.168.1.1", "dns", "only for an address");
        let settings = read("gateway = 192.168.2.1\ndns = 192.168.2.1\naddress = 192.168.1.5/24");
        assert_eq!(settings.value("gateway"), ("none", None));
        assert_eq!(settings.value("dns"), ("192.168.2.1", Some(2)));
        assert_eq!(settings.complaints.len(), 1);
    }
}

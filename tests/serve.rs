//! What operators see of `chat-host serve`: what it says, where, and that it serves whatever becomes of that.
#![cfg(not(loom))]

use tests::terminal::Terminal;

#[test]
fn server_at_a_terminal_says_what_the_others_type_and_how_to_stop() {
    let mut terminal = Terminal::start(&["serve", "--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    terminal.find("Server Initialized...\r\nudp 127.0.0.1:");
    let bound = terminal.find("tcp 127.0.0.1:") + &terminal.find("\r\n");
    let port = bound.trim_end().rsplit(':').next().unwrap();
    terminal.find(&format!("chat-host client --tcp 127.0.0.1:{port} --name NAME"));
    terminal.find("Ctrl-C ends the server.");
}

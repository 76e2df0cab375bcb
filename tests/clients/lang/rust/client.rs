// Rust's curl crate as Debian packages it: bound to the system's libcurl by symbol. Easy with copied fields, with a read callback, then multi.
use curl::easy::{Easy, Easy2, Handler, List, WriteError};
use curl::multi::Multi;
use std::io::{Read, Write};
use std::time::Duration;

const PATHS: [&str; 4] = ["/v1/chat/completions", "/v1/chat/completions", "/v1/messages", "/api/chat"];

struct Printer;

impl Handler for Printer {
    fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        std::io::stdout().write_all(data).unwrap();
        Ok(data.len())
    }
}

fn headers() -> List {
    let mut list = List::new();
    list.append("Content-Type: application/json").unwrap();
    list.append("Authorization: Bearer sk-test-planted-secret").unwrap();
    list
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let bodies = std::fs::read_to_string(&args[2]).unwrap();
    let bodies: Vec<&str> = bodies.lines().collect();
    for i in 0..3 {
        let mut easy = Easy::new();
        easy.http_headers(headers()).unwrap();
        easy.url(&format!("{}{}", args[1], PATHS[i])).unwrap();
        easy.post(true).unwrap();
        let mut data = bodies[i].as_bytes();
        if i == 1 {
            easy.post_field_size(data.len() as u64).unwrap();
        } else {
            easy.post_fields_copy(data).unwrap();
        }
        let mut transfer = easy.transfer();
        if i == 1 {
            transfer.read_function(|buffer| Ok(data.read(buffer).unwrap())).unwrap();
        }
        transfer.write_function(|piece| Ok(Printer.write(piece)?)).unwrap();
        transfer.perform().unwrap();
    }
    let mut easy = Easy2::new(Printer);
    easy.http_headers(headers()).unwrap();
    easy.url(&format!("{}{}", args[1], PATHS[3])).unwrap();
    easy.post_fields_copy(bodies[3].as_bytes()).unwrap();
    let multi = Multi::new();
    let handle = multi.add2(easy).unwrap();
    while multi.perform().unwrap() > 0 {
        multi.wait(&mut [], Duration::from_millis(100)).unwrap();
    }
    multi.messages(|message| println!("{}", message.result_for2(&handle).unwrap().is_ok()));
    multi.remove2(handle).unwrap();
}

//! The listener: frames that are no requests, clients that are silent or slow, and the stop.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::super::listen::{Acceptor, Event, Limits, Server};
use super::super::wire::{Answer, Frame, MAX_ANSWER, MAX_REQUEST, Request, read_frame, write_frame};
use super::*;

/// Runs a server while `client` talks to it, stops it, and returns what it reported.
fn with_server<T>(limits: Limits, client: impl FnOnce(&Server) -> T) -> (T, Vec<Event>) {
    let server = Server::bind("127.0.0.1:0", alone(), Acceptor::Plain, limits).unwrap();
    let events = Mutex::new(Vec::new());
    let result = std::thread::scope(|scope| {
        let runs = scope.spawn(|| server.run(&|event| events.lock().unwrap().push(event)));
        let result = client(&server);
        server.stop();
        runs.join().unwrap();
        result
    });
    (result, events.into_inner().unwrap())
}

fn dial(server: &Server) -> TcpStream {
    let tcp = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    tcp
}

fn ask(tcp: &mut TcpStream, body: &[u8]) -> Answer {
    write_frame(tcp, body).unwrap();
    hear(tcp)
}

fn hear(tcp: &mut TcpStream) -> Answer {
    match read_frame(tcp, MAX_ANSWER).unwrap() {
        Frame::Body(body) => Answer::decode(&body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn get() -> Vec<u8> {
    Request::Get { key: b"k".to_vec() }.encode()
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_goes_on() {
    let (_, events) = with_server(Limits::default(), |server| {
        let mut tcp = dial(server);
        for body in [&b""[..], b"{}", b"\xff", br#"{"op":"scan","key":""}"#] {
            assert_eq!(ask(&mut tcp, body).status, "INVALID_ARGUMENT");
        }
        assert_eq!(ask(&mut tcp, &get()), Answer::get(Ok(None)));
    });
    let refused =
        |event: &&Event| matches!(event, Event::Answered(_, status) if status == "INVALID_ARGUMENT");
    assert_eq!(events.iter().filter(refused).count(), 4);
    assert!(events.iter().any(|event| matches!(event, Event::Ended(_, Ok(5)))), "{events:?}");
}

#[test]
fn a_frame_over_the_limit_is_refused_unread_and_ends_the_connection() {
    with_server(Limits::default(), |server| {
        for len in [MAX_REQUEST as u32 + 1, u32::MAX] {
            let mut tcp = dial(server);
            tcp.write_all(&len.to_be_bytes()).unwrap();
            let answer = hear(&mut tcp);
            assert_eq!(answer.status, "INVALID_ARGUMENT");
            let said = answer.message.unwrap();
            assert!(said.contains(&format!("{len} bytes exceeds the limit")), "{said}");
            assert_eq!(tcp.read(&mut [0]).unwrap(), 0, "the end");
        }
    });
}

#[test]
fn a_silent_client_a_slow_one_and_one_that_is_cut_off_are_ended() {
    let [short, long] = [50, 60_000].map(Duration::from_millis);
    for (limits, sent, why) in [
        (Limits { idle: short, transfer: long, ..Limits::default() }, &b""[..], "took too long"),
        (Limits { idle: long, transfer: short, ..Limits::default() }, &b"\0\0\0\x09{"[..], "took too long"),
    ] {
        let (_, events) = with_server(limits, |server| {
            let mut tcp = dial(server);
            tcp.write_all(sent).unwrap();
            assert_eq!(tcp.read(&mut [0]).unwrap(), 0, "the server ends it");
        });
        let told =
            events.iter().any(|event| matches!(event, Event::Ended(_, Err(said)) if said.contains(why)));
        assert!(told, "{events:?}");
    }
    let (_, events) = with_server(Limits::default(), |server| {
        let mut tcp = dial(server);
        tcp.write_all(b"\0\0").unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(tcp.read(&mut [0]).unwrap(), 0);
    });
    assert!(events.iter().any(|event| matches!(event, Event::Ended(_, Err(_)))), "{events:?}");
}

#[test]
fn limits_beyond_every_clock_never_end_a_connection() {
    let limits = Limits { idle: Duration::MAX, transfer: Duration::MAX, ..Limits::default() };
    let (_, events) = with_server(limits, |server| {
        assert_eq!(ask(&mut dial(server), &get()), Answer::get(Ok(None)));
    });
    assert!(events.iter().any(|event| matches!(event, Event::Ended(_, Ok(1)))), "{events:?}");
}

#[test]
fn a_stop_ends_connections_that_wait_and_more_than_the_limit_wait_to_be_accepted() {
    let limits = Limits { connections: 2, idle: Duration::from_secs(600), ..Limits::default() };
    let (_, events) = with_server(limits, |server| {
        let (mut first, mut second) = (dial(server), dial(server));
        for tcp in [&mut first, &mut second] {
            assert_eq!(ask(tcp, &get()), Answer::get(Ok(None)));
        }
        let mut third = dial(server);
        write_frame(&mut third, &get()).unwrap();
        drop(first);
        assert_eq!(hear(&mut third), Answer::get(Ok(None)));
        // `second` and `third` are still open and silent.
        server.stop();
        assert_eq!((second.read(&mut [0]).unwrap(), third.read(&mut [0]).unwrap()), (0, 0));
    });
    let ended = events.iter().filter(|event| matches!(event, Event::Ended(_, Ok(1)))).count();
    assert_eq!(ended, 3, "{events:?}");
}

#[test]
fn many_clients_write_at_once_and_each_answer_is_its_own() {
    with_server(Limits::default(), |server| {
        std::thread::scope(|scope| {
            for client in 0..8_u8 {
                scope.spawn(move || {
                    let mut tcp = dial(server);
                    for i in 0..20_u8 {
                        let (key, value) = (vec![client], vec![client, i]);
                        let put = Request::Put {
                            key: key.clone(),
                            value: value.clone(),
                            request_id: vec![client, i],
                        };
                        assert_eq!(ask(&mut tcp, &put.encode()), Answer::put(Ok(i > 0)));
                        let read = ask(&mut tcp, &Request::Get { key }.encode());
                        assert_eq!(read, Answer::get(Ok(Some(value))));
                    }
                });
            }
        });
    });
}

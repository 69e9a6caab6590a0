//! Handshakes over TCP on this machine: what is agreed, and who refuses whom.

use std::net::{Shutdown, TcpListener, TcpStream};

use super::super::certificates::Certificates;
use super::*;

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// The files of one end, by name.
fn files(from: &Certificates, cert: &str, key: &str, ca: &str) -> Files {
    let path = |name: &str| (!name.is_empty()).then(|| from.path(name));
    Files { cert: path(cert), key: path(key), ca: path(ca) }
}

fn server(from: &Certificates, ca: &str) -> Server {
    Server::load(&files(from, "server.pem", "server.key", ca)).unwrap()
}

fn client(from: &Certificates) -> Client {
    Client::load(&files(from, "", "", "ca.pem")).unwrap()
}

/// Both ends after the handshake, or why there is none.
fn shake(
    client: &Client,
    server: &Server,
    host: &str,
) -> (io::Result<Connection<TcpStream>>, io::Result<Connection<TcpStream>>) {
    let (near, far) = pair();
    std::thread::scope(|scope| {
        let accepted = scope.spawn(|| server.accept(far));
        (client.connect(near, host), accepted.join().unwrap())
    })
}

/// Everything that an end reads.
fn heard(end: &mut Connection<TcpStream>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    end.read_to_end(&mut all).map(|_| all)
}

#[test]
fn what_one_end_writes_the_other_reads_up_to_its_close_notify() {
    let made = Certificates::new();
    for host in ["localhost", "127.0.0.1"] {
        let (near, far) = shake(&client(&made), &server(&made, ""), host);
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        let text: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| heard(&mut far));
            near.write_all(&text).unwrap();
            near.finish().unwrap();
            assert_eq!(heard.join().unwrap().unwrap(), text);
        });
        far.write_all(b"and back").unwrap();
        far.finish().unwrap();
        assert_eq!(heard(&mut near).unwrap(), b"and back");
    }
}

#[test]
fn an_end_without_close_notify_is_unexpected() {
    let made = Certificates::new();
    let (near, far) = shake(&client(&made), &server(&made, ""), "localhost");
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    near.write_all(b"begun").unwrap();
    near.get_mut().shutdown(Shutdown::Write).unwrap();
    let mut begun = [0; 5];
    far.read_exact(&mut begun).unwrap();
    assert_eq!((&begun, far.read(&mut [0]).unwrap_err().kind()), (b"begun", io::ErrorKind::UnexpectedEof));
}

#[test]
fn a_client_refuses_a_server_of_another_authority_or_name() {
    let (made, other) = (Certificates::new(), Certificates::new());
    for (client, host, why) in [
        (client(&other), "localhost", "UnknownIssuer"),
        (client(&made), "elsewhere.test", "not valid for name"),
        (client(&made), "127.0.0.2", "not valid for name"),
    ] {
        let (near, far) = shake(&client, &server(&made, ""), host);
        let refused = near.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(refused.to_string().contains(why), "{refused}");
        let told = far.unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::InvalidData, "{told}");
    }
    let refused = client(&made).connect(pair().0, "no name").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_server_with_authorities_takes_only_their_clients_and_says_so() {
    let (made, other) = (Certificates::new(), Certificates::new());
    let own = |from: &Certificates| {
        let own = files(from, "client.pem", "client.key", "");
        Client::load(&Files { ca: Some(made.path("ca.pem")), ..own }).unwrap()
    };
    let strict = server(&made, "ca.pem");
    let (near, far) = shake(&own(&made), &strict, "localhost");
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    near.write_all(b"known").unwrap();
    near.finish().unwrap();
    assert_eq!(heard(&mut far).unwrap(), b"known");
    drop(far);
    near.await_end().unwrap();
    for (client, why) in [(client(&made), "no certificate"), (own(&other), "UnknownIssuer")] {
        let (near, far) = shake(&client, &strict, "localhost");
        let refused = far.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(refused.to_string().contains(why), "{refused}");
        // The client's own handshake was over before: it learns of the refusal afterwards.
        let told = near.unwrap().await_end().unwrap_err();
        assert!(told.to_string().contains("received fatal alert"), "{told}");
    }
}

#[test]
fn a_client_that_offers_only_tls_1_2_is_refused() {
    let made = Certificates::new();
    let provider = Arc::new(rustls_graviola::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(authorities(&made.path("ca.pem")).unwrap())
        .with_no_client_auth();
    let (near, far) = shake(&Client(Arc::new(old)), &server(&made, ""), "localhost");
    let refused = far.unwrap_err().to_string();
    assert!(refused.contains("Tls12NotOffered"), "{refused}");
    let told = near.unwrap_err().to_string();
    assert!(told.contains("ProtocolVersion"), "{told}");
}

#[test]
fn whoever_is_no_peer_of_tls_is_refused() {
    let made = Certificates::new();
    let (mut near, far) = pair();
    near.write_all(b"plaintext, as in the profile dev").unwrap();
    assert_eq!(server(&made, "").accept(far).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let (near, far) = pair();
    drop(near);
    assert_eq!(server(&made, "").accept(far).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn every_missing_empty_or_wrong_file_is_refused_by_name() {
    let made = Certificates::new();
    made.write("empty", "");
    made.write("broken", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let said = |cert: &str, key: &str, ca: &str, serves: bool| {
        let files = files(&made, cert, key, ca);
        let refused = if serves { Server::load(&files).err() } else { Client::load(&files).err() };
        refused.expect("it is refused").to_string()
    };
    for (cert, key, ca, serves, why) in [
        ("", "server.key", "", true, "needs a server's certificate"),
        ("server.pem", "", "", true, "needs the certificate's private key"),
        ("nowhere", "server.key", "", true, "reading certificate"),
        ("server.pem", "nowhere", "", true, "reading private key"),
        ("empty", "server.key", "", true, "holds no certificate in PEM"),
        ("server.pem", "empty", "", true, "holds no private key in PEM"),
        ("broken", "server.key", "", true, "holds no certificate in PEM ("),
        ("server.key", "server.key", "", true, "holds no certificate in PEM"),
        ("server.pem", "client.key", "", true, "the TLS library refuses the server's certificate and key"),
        ("server.pem", "server.key", "empty", true, "holds no certificate of an authority in PEM"),
        ("", "", "", false, "needs the authorities that vouch for the server"),
        ("", "", "empty", false, "holds no certificate of an authority in PEM"),
        ("", "", "nowhere", false, "reading certificate of an authority"),
        ("client.pem", "", "ca.pem", false, "needs the private key of the client's certificate"),
        ("", "client.key", "ca.pem", false, "needs the client's certificate, besides its key"),
        (
            "client.pem",
            "server.key",
            "ca.pem",
            false,
            "the TLS library refuses the client's certificate and key",
        ),
    ] {
        let said = said(cert, key, ca, serves);
        assert!(said.contains(why), "{cert}, {key}, {ca}: {said}");
    }
}

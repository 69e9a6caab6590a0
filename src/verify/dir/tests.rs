//! Folders of every kind: good and bad files together, a clone of a project, the halves of an exchange.

use super::samples::{SAMPLES, wrong};
use super::*;

const RSP: &str = "[Keylen = 128]\n[IVlen = 96]\n[PTlen = 0]\n[AADlen = 0]\n[Taglen = 128]\n\nCount = 0\n\
    Key = cf063a34d4a9a76c2c86787d3f96db71\nIV = 113b9785971864c83b01c787\nCT =\nAAD =\n\
    Tag = 72ac8493e3a5228b5d130a69d2510e42\nPT =\n";

#[test]
fn good_files_are_read_and_bad_ones_are_listed_next_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("below")).unwrap();
    fs::write(at("below/b.txt"), RSP).unwrap();
    fs::write(at("a.json"), RSP).unwrap();
    fs::write(at("c.rsp"), &RSP[..RSP.len() - 20]).unwrap();
    fs::write(at("d"), "").unwrap();
    fs::write(at("e.json"), "{\"testGroups\": ").unwrap();
    fs::write(at("f.md"), "Vectors of AES-GCM, of ours.").unwrap();
    fs::write(at("g.txt"), "Vectors of AES-GCM, of ours.").unwrap();
    let read = read(folder.path()).unwrap();
    let names: Vec<_> = read.sets.iter().map(|set| &*set.name).collect();
    assert_eq!(names, [at("a.json"), at("below/b.txt")].map(|p| p.display().to_string()));
    assert!(read.sets.iter().all(|set| set.declared == 1 && set.cases.len() == 1));
    let unread: Vec<_> = read.unread.iter().map(ToString::to_string).collect();
    let begins = |name: &str, place: &str| format!("{}: {place}", at(name).display());
    assert_eq!(unread.len(), 4);
    assert!(unread[0].starts_with(&begins("c.rsp", "line 12, column 7")), "{}", unread[0]);
    assert!(unread[1].starts_with(&begins("d", "line 1, column 1: the file is empty")), "{}", unread[1]);
    assert!(unread[2].starts_with(&begins("e.json", "line 1, column 15: the JSON is cut")), "{}", unread[2]);
    assert!(unread[3].starts_with(&begins("g.txt", "line 1, column 1: not a known format")), "{}", unread[3]);
    let states: Vec<_> = read.files.iter().map(|file| file.state).collect();
    use FileState::{Read, SetAside, Unreadable};
    assert_eq!(states, [Read, Read, Unreadable, Unreadable, Unreadable, SetAside, Unreadable]);
    assert_eq!(read.files[0].what, "cavp-gcm, 1 cases");
    assert_eq!(read.files[5].what, "a document or a program");
}

/// A folder whose path is longer than Linux allows: nobody can list it, not even root.
#[test]
#[cfg(target_os = "linux")]
fn an_unreadable_subfolder_is_listed_next_to_the_good_files() {
    let folder = tempfile::tempdir().unwrap();
    let chain = |name: &str| {
        let (top, step) = (folder.path().join(name), "x".repeat(250));
        let deep = (0..10).fold(top.clone(), |path, _| path.join(&step));
        fs::create_dir_all(&deep).unwrap();
        (top, deep)
    };
    let ((_, deep), (other, _)) = (chain("a"), chain("b"));
    fs::rename(other, deep.join("b")).unwrap();
    fs::write(folder.path().join("z.rsp"), RSP).unwrap();
    let found = read(folder.path()).unwrap();
    assert_eq!((found.sets.len(), found.unread.len()), (1, 1), "{:?}", found.unread);
    assert!(matches!(&found.unread[0], Error::Io { file, .. } if file.starts_with(&deep)));
    fs::remove_file(folder.path().join("z.rsp")).unwrap();
    let found = read(folder.path()).unwrap();
    assert_eq!((found.sets.len(), found.unread.len()), (0, 1));
}

#[test]
fn an_empty_or_absent_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read(folder.path()), Err(Error::Empty { .. })));
    fs::create_dir(folder.path().join("below")).unwrap();
    assert!(matches!(read(folder.path()), Err(Error::Empty { .. })));
    assert!(matches!(read(&folder.path().join("absent")), Err(Error::Io { .. })));
}

#[test]
fn a_compressed_file_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let packed = include_bytes!("../../../vectors/nist/gcmDecrypt256.rsp.zst");
    fs::write(folder.path().join("x"), packed).unwrap();
    fs::write(folder.path().join("y"), &packed[..packed.len() - 100]).unwrap();
    let read = read(folder.path()).unwrap();
    assert_eq!((read.sets.len(), read.sets[0].declared, read.unread.len()), (1, 7_875, 1));
}

/// A miniature clone of Wycheproof: folders of vectors in both schemas, and the files next to them.
fn clone_of_wycheproof() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let gcm = fs::read_to_string(Path::new(SAMPLES).join("json/a-plain.json")).unwrap();
    let other = |algorithm: &str, schema: &str| {
        let renamed = gcm.replacen("AES-GCM", algorithm, 1);
        renamed.replacen("aead_test_schema_v1", schema, 1)
    };
    for (name, text) in [
        (".git/objects/pack/pack-aes-gcm.pack", "PACK".to_owned()),
        (".gitignore", "*.class\n".into()),
        ("README.md", "Vectors of AES-GCM and others.".into()),
        ("LICENSE", "Apache".into()),
        ("doc/aesgcm.md", "Key = ...".into()),
        ("java/AesGcmTest.java", "class AesGcmTest {}".into()),
        ("schemas/aead_test_schema_v1.json", r#"{"$schema": "x", "enum": ["AES-GCM"]}"#.into()),
        ("package.json", r#"{"name": "wycheproof"}"#.into()),
        ("testvectors/aes_gcm_test.json", gcm.replacen("aead_test_schema_v1", "aead_test_schema", 1)),
        ("testvectors_v1/aes_gcm_test.json", gcm.clone()),
        ("testvectors_v1/aes_gcm_siv_test.json", other("AES-GCM-SIV", "aead_test_schema_v1")),
        ("testvectors_v1/aes_gmac_test.json", other("AES-GMAC", "mac_with_iv_test_schema_v1")),
        ("testvectors_v1/sm4_gcm_test.json", other("SM4-GCM", "aead_test_schema_v1")),
        ("testvectors_v1/ecdsa_secp256r1_sha256_test.json", other("ECDSA", "ecdsa_verify_schema_v1")),
        ("testvectors_v1/ecdsa_secp384r1_sha384_test.json", other("ECDSA", "ecdsa_verify_schema_v1")),
        (
            "testvectors_v1/c2sp_chunked_encryption_aes_128_gcm_test.json",
            other("Cobblestone-128", "c2sp_chunked_encryption_schema"),
        ),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn in_a_clone_of_wycheproof_the_vectors_are_read_and_all_other_files_set_aside_by_kind() {
    let folder = clone_of_wycheproof();
    let found = read(folder.path()).unwrap();
    assert_eq!(found.unread.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    let names: Vec<_> = found.sets.iter().map(|set| (Path::new(&set.name), set.cases.len())).collect();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(
        names,
        [(&*at("testvectors/aes_gcm_test.json"), 3), (&*at("testvectors_v1/aes_gcm_test.json"), 3)]
    );
    let aside = found.files.iter().filter(|file| file.state == FileState::SetAside);
    let mut whats: Vec<_> = aside.map(|file| &*file.what).collect();
    whats.sort_unstable();
    let expected = [
        "AES-GCM-SIV",
        "AES-GMAC",
        "Cobblestone-128",
        "ECDSA",
        "ECDSA",
        "JSON without vectors",
        "SM4-GCM",
        "a JSON schema",
        "a document or a program",
        "a document or a program",
        "a document or a program",
        "a document or a program",
        "a hidden file",
        "a version control folder",
    ];
    assert_eq!(whats, expected);
}

#[test]
fn a_damaged_file_of_aes_gcm_does_not_hide_among_those_of_others() {
    let folder = clone_of_wycheproof();
    let whole = fs::read_to_string(folder.path().join("testvectors_v1/aes_gcm_test.json")).unwrap();
    let damaged = folder.path().join("testvectors_v1/aes_gcm_test.json");
    let elsewhere = folder.path().join("testvectors_v1/renamed.dat");
    let cut = &whole[..whole.len() / 2];
    for (file, text, words) in [
        (&damaged, cut, "the JSON is cut short"),
        (&elsewhere, cut, "the JSON is cut short"),
        (&damaged, "", "the file is empty"),
        (&damaged, "version https://git-lfs.github.com/spec/v1\n", "not a known format"),
        (&damaged, &*whole.replacen("AES-GCM", "AES-GCN", 1), "its algorithm is AES-GCN"),
        (&damaged, &*whole.replacen("\"result\"", "\"verdict\"", 1), "testGroups[0].tests[0].result: "),
        (&damaged, &*whole.replacen("\"testGroups\"", "\"groups\"", 1), "not a known format"),
        (&elsewhere, &*whole.replacen("\"testGroups\"", "\"groups\"", 1), "not a known format"),
    ] {
        fs::write(file, text).unwrap();
        let found = read(folder.path()).unwrap();
        let told: Vec<_> = found.unread.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{words}: {told:?}");
        assert!(told[0].starts_with(&file.display().to_string()) && told[0].contains(words), "{told:?}");
        fs::remove_file(&elsewhere).ok();
        fs::write(&damaged, &whole).unwrap();
    }
}

#[test]
fn the_halves_of_an_acvp_exchange_find_each_other_by_folder() {
    let question = |id: u64| {
        format!(
            r#"{{"vsId": {id}, "algorithm": "ACVP-AES-GCM", "revision": "1.0", "testGroups": [{{"tgId": 1,
            "testType": "AFT", "direction": "decrypt", "keyLen": 128, "ivLen": 96, "payloadLen": 0,
            "aadLen": 0, "tagLen": 128,
            "tests": [{{"tcId": 33, "key": "886293D80F8E625971AE9436F8F4D50E", "aad": "",
            "iv": "22CD533018836F78FC884872", "ct": "", "tag": "D4B42FAEDDB5E9523921C1C29144A449"}}]}}]}}"#
        )
    };
    let answer = |id: u64| {
        format!(
            r#"{{"vsId": {id}, "algorithm": "ACVP-AES-GCM", "revision": "1.0",
            "testGroups": [{{"tgId": 1, "tests": [{{"tcId": 33, "testPassed": false}}]}}]}}"#
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("a/prompt.json", question(0));
    put("a/expectedResults.json", answer(0));
    put("b/prompt.json", question(0));
    put("b/expectedResults.json", answer(0));
    put("c/asked/prompt.json", question(7));
    put("c/told/expectedResults.json", answer(7));
    put("d/prompt.json", question(8));
    put("e/expectedResults.json", answer(9));
    let found = read(folder.path()).unwrap();
    assert_eq!(
        found.sets.iter().map(|set| (set.cases.len(), wrong(set))).collect::<Vec<_>>(),
        vec![(1, vec![]); 3]
    );
    let told: Vec<_> = found.unread.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("vector set 8: the answers (expectedResults.json) belong next to"), "{told:?}");
    assert!(told[1].contains("vector set 9: the questions (prompt.json) belong next to"), "{told:?}");
    assert_eq!(found.files.iter().filter(|file| file.state == FileState::Read).count(), 6);
}

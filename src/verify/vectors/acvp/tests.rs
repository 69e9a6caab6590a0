//! The extract of NIST's sample, and its two halves.

use super::*;
use crate::verify::Outcome;
use crate::verify::vectors::{decode, decode_any};

const WHOLE: &str = include_str!("../../../../tests/vectors/acvp/internalProjection.json");
const ANSWERS: [&str; 3] = ["ct", "tag", "pt"];

/// One half of the file above, made by dropping members.
fn half(holds: Holds) -> Value {
    let mut file: Value = serde_json::from_str(WHOLE).unwrap();
    for group in file["testGroups"].as_array_mut().unwrap() {
        let encrypts = group["direction"] == "encrypt";
        let asks = holds == Holds::Questions;
        for test in group["tests"].as_array_mut().unwrap() {
            let test = test.as_object_mut().unwrap();
            let passes = test["testPassed"] == true;
            test.retain(|name, _| match name.as_str() {
                "tcId" => true,
                "testPassed" => !asks && !passes,
                "ct" | "tag" => asks != encrypts,
                "pt" => asks == encrypts && (asks || passes),
                _ => asks && !ANSWERS.contains(&&**name) && name != "deferred",
            });
        }
        if !asks {
            group.as_object_mut().unwrap().retain(|name, _| name == "tgId" || name == "tests");
        }
    }
    file
}

fn halves() -> (Value, Value) {
    (half(Holds::Questions), half(Holds::Answers))
}

fn read(file: &Value) -> Result<Decoded, Problem> {
    decode("", file.to_string().as_bytes()).map(|(_, decoded)| decoded)
}

fn paired(questions: &Value, answers: &Value) -> Result<Vectors, Problem> {
    let (Decoded::Half(questions), Decoded::Half(answers)) = (read(questions)?, read(answers)?) else {
        panic!("both are halves");
    };
    assert_eq!((questions.holds, answers.holds), (Holds::Questions, Holds::Answers));
    pair(&questions, &answers)
}

fn ids_that_agree(vectors: &Vectors) -> Vec<&str> {
    let own = crate::engine::find("sealmark").unwrap();
    let agree = vectors.cases.iter().filter(|case| case.check.run(own) == Outcome::Agree);
    agree.map(|case| &*case.id).collect()
}

#[test]
fn the_projection_and_its_two_halves_give_the_same_cases() {
    let all = ["tc1", "tc16", "tc31", "tc33"];
    assert_eq!(ids_that_agree(&decode_any(WHOLE.as_bytes()).unwrap()), all);
    let (questions, answers) = halves();
    assert_eq!(ids_that_agree(&paired(&questions, &answers).unwrap()), all);
    let wrapped = serde_json::json!([{"acvVersion": "1.0"}, serde_json::from_str::<Value>(WHOLE).unwrap()]);
    assert_eq!(ids_that_agree(&decode_any(wrapped.to_string().as_bytes()).unwrap()), all);
}

#[test]
fn a_test_that_must_not_pass_must_be_refused() {
    let turned = WHOLE.replace("\"testPassed\": false", "\"testPassed\": true");
    assert_eq!(ids_that_agree(&decode_any(turned.as_bytes()).unwrap()), ["tc1", "tc16", "tc31"]);
    let refused =
        WHOLE.replace("\"tcId\": 31,\n          \"testPassed\": true", "\"tcId\": 31, \"testPassed\": false");
    assert_eq!(ids_that_agree(&decode_any(refused.as_bytes()).unwrap()), ["tc1", "tc16", "tc33"]);
}

#[test]
fn a_half_alone_a_question_without_answer_and_the_reverse_are_refused() {
    let (questions, answers) = halves();
    for (half, other) in [(&questions, "expectedResults.json"), (&answers, "prompt.json")] {
        let problem = decode_any(half.to_string().as_bytes()).unwrap_err();
        assert!(problem.reason.contains(&format!("{other}) belong next to them")), "{problem}");
    }
    let without = |file: &Value, group: usize| {
        let mut file = file.clone();
        file["testGroups"][group]["tests"].as_array_mut().unwrap().remove(0);
        file
    };
    let problem = paired(&questions, &without(&answers, 2)).unwrap_err();
    assert_eq!(problem.reason, "test 31 of group 3 has no answer");
    let problem = paired(&without(&questions, 1), &answers).unwrap_err();
    assert_eq!(problem.reason, "the answers have test 16 of group 2, but the questions do not");
    let mut twice = answers.clone();
    let again = twice["testGroups"][0].clone();
    twice["testGroups"].as_array_mut().unwrap().push(again);
    assert!(paired(&questions, &twice).unwrap_err().reason.contains("test 1 appears twice"));
}

#[test]
fn errors_name_their_path() {
    let broken = |from: &str, to: &str| {
        assert!(WHOLE.contains(from), "{from}");
        decode_any(WHOLE.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert_eq!(broken("\"aadLen\": 120", "\"aadLen\": 128").place, "testGroups[0].tests[0].aad");
    assert_eq!(broken("\"tagLen\": 128", "\"tagLen\": 127").place, "testGroups[0].tagLen");
    assert_eq!(broken("\"payloadLen\": 0", "\"payloadLen\": 8").place, "testGroups[0].tests[0].pt");
    assert_eq!(broken("\"encrypt\"", "\"encipher\"").place, "testGroups[0].direction");
    assert_eq!(broken("\"AFT\"", "\"MCT\"").place, "testGroups[0].testType");
    assert_eq!(broken("\"1.0\"", "\"2.0\"").place, "revision");
    assert!(broken("\"ct\": \"\",", "").reason.contains("belong next to them"), "an answer is missing");
}

#[test]
fn other_algorithms_and_registrations_are_not_our_vectors() {
    let mut file: Value = serde_json::from_str(WHOLE).unwrap();
    file["algorithm"] = "ACVP-AES-GCM-SIV".into();
    assert!(matches!(read(&file), Ok(Decoded::Other(other)) if other == "ACVP-AES-GCM-SIV"));
    let registration = serde_json::json!({"vsId": 0, "algorithm": "ACVP-AES-GCM", "revision": "1.0",
        "direction": ["encrypt"], "keyLen": [128]});
    assert!(matches!(read(&registration), Ok(Decoded::Other(other)) if other.contains("registration")));
}

#[test]
fn tests_whose_iv_the_implementation_draws_are_counted() {
    let mut file: Value = serde_json::from_str(WHOLE).unwrap();
    file["testGroups"][0]["ivGen"] = "internal".into();
    let test = file["testGroups"][0]["tests"][0].as_object_mut().unwrap();
    test.retain(|name, _| !["iv", "ct", "tag"].contains(&&**name));
    test.insert("deferred".into(), true.into());
    let Ok(Decoded::Cases(vectors)) = read(&file) else { panic!("it has cases") };
    assert_eq!((vectors.cases.len(), vectors.remarks.len()), (3, 1));
    assert!(vectors.remarks[0].starts_with("1 tests are left out"), "{:?}", vectors.remarks);
}

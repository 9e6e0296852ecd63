//! XML, in which requests to the carrier may be written and its replies be asked for.
//!
//! It must not know what the names mean. How the elements of Tropo's own replies were nested is documented for sessions
//! and signals alone; other replies are written in the same manner.

use std::io;

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer, XmlVersion, escape};
use serde_json::Value;

/// The names and texts of the elements below the root, in their order; of `<var name="…" value="…"/>` what it names.
/// Nothing where the body is not one well-formed document in UTF-8, or declares a document type.
pub(crate) fn read(body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let (mut fields, mut depth, mut roots) = (Vec::new(), 0_usize, 0_usize);
    loop {
        let event = reader.read_event().ok()?;
        match (&event, depth) {
            (Event::Start(_) | Event::Empty(_), 0) => roots += 1,
            (Event::Start(start) | Event::Empty(start), 1) => fields.push(field(start)?),
            (Event::Text(text), 2) => append(&mut fields, &text.xml10_content().ok()?),
            (Event::CData(text), 2) => append(&mut fields, &text.xml10_content().ok()?),
            (Event::GeneralRef(reference), 2) => match reference.resolve_char_ref().ok()? {
                Some(character) => append(&mut fields, &character.to_string()),
                None => append(&mut fields, escape::resolve_xml_entity(&reference.decode().ok()?)?),
            },
            (Event::Text(text), 0) if !text.iter().all(u8::is_ascii_whitespace) => return None,
            (Event::DocType(_), _) => return None,
            (Event::Eof, _) => break,
            _ => {}
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (depth == 0 && roots == 1).then_some(fields)
}

fn field(start: &BytesStart<'_>) -> Option<(String, String)> {
    let named = |wanted: &str| {
        let attribute = start.try_get_attribute(wanted).ok()??;
        attribute_text(&attribute)
    };
    let name = std::str::from_utf8(start.local_name().into_inner()).ok()?.to_owned();
    if name != "var" {
        return Some((name, String::new()));
    }
    Some((named("name")?, named("value").unwrap_or_default()))
}

fn attribute_text(attribute: &Attribute<'_>) -> Option<String> {
    Some(attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
}

fn append(fields: &mut [(String, String)], text: &str) {
    if let Some((_, value)) = fields.last_mut() {
        value.push_str(text);
    }
}

/// A document of texts, in their order.
pub(crate) fn document(root: &str, elements: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let content = |writer: &mut Writer<Vec<u8>>| {
        elements.iter().try_for_each(|(name, text)| {
            writer.create_element(*name).write_text_content(BytesText::new(text)).map(drop)
        })
    };
    writer.create_element(root).write_inner_content(content).expect("a vector takes all that is written");
    writer.into_inner()
}

/// A value as a document: the members of an object are elements, and the entries of a list are named as one of them.
pub(crate) fn write(root: &str, value: &Value) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    element(&mut writer, root, value).expect("a vector takes all that is written");
    writer.into_inner()
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value) -> io::Result<()> {
    let start = writer.create_element(name);
    match value {
        Value::Object(members) => start.write_inner_content(|writer| {
            members
                .iter()
                .filter(|(name, _)| is_name(name))
                .try_for_each(|(name, value)| element(writer, name, value))
        }),
        Value::Array(entries) => start.write_inner_content(|writer| {
            entries.iter().try_for_each(|entry| element(writer, one_of(name), entry))
        }),
        Value::Null => start.write_empty(),
        Value::String(text) => start.write_text_content(BytesText::new(text)),
        plain => start.write_text_content(BytesText::new(&plain.to_string())),
    }?;
    Ok(())
}

/// Names of our own are; those of a payload that somebody made up need not be.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// What one entry of a list is called: an `address` of `addresses`.
pub(crate) fn one_of(many: &str) -> &str {
    match many.strip_suffix("sses").map(str::len) {
        Some(stem) => &many[..stem + 2],
        None => many.strip_suffix('s').unwrap_or("entry"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(body: &str) -> Option<Vec<(String, String)>> {
        let trimmed = |(name, value): (String, String)| (name, value.trim().to_owned());
        read(body.as_bytes()).map(|fields| fields.into_iter().map(trimmed).collect())
    }

    #[test]
    fn documented_bodies_are_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let session = "<session>\n  <token>TOKEN</token>\n  <var name=\"customerName\" value=\"John &amp; Dyer\"></var>\n\
                       <var name='msg' value='the sky is falling'/></session>";
        let expected = vec![
            pair("token", "TOKEN"),
            pair("customerName", "John & Dyer"),
            pair("msg", "the sky is falling"),
        ];
        assert_eq!(fields(session), Some(expected));
        let application = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><application><name>Ärzte &lt;3 &#x263A;</name>\
                           <voiceurl><![CDATA[http://example.com/?a=1&b=2]]></voiceurl><empty/></application>";
        let expected = vec![
            pair("name", "Ärzte <3 ☺"),
            pair("voiceurl", "http://example.com/?a=1&b=2"),
            pair("empty", ""),
        ];
        assert_eq!(fields(application), Some(expected));
        assert_eq!(fields("<address/>"), Some(vec![]));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for body in [
            "",
            "token=x",
            "{}",
            "<a>",
            "<a><b></a></b>",
            "<a/><b/>",
            "<a>&unknown;<b>&unknown;</b></a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a><b>&x;</b></a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "</a>",
        ] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(read(b"<a>\xff</a>"), None);
        let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
        assert!(read(deep.as_bytes()).is_some(), "depth costs nothing");
    }

    #[test]
    fn values_are_written_and_escaped() {
        let value = json!({"name": "<b>&", "tollFree": false, "state": null, "id": 7, "a b": 1, "</x>": 2});
        assert_eq!(
            String::from_utf8(write("exchange", &value)).unwrap(),
            "<exchange><id>7</id><name>&lt;b&gt;&amp;</name><state/><tollFree>false</tollFree></exchange>"
        );
        let list = json!([{"number": "+1407"}]);
        let written = "<addresses><address><number>+1407</number></address></addresses>";
        assert_eq!(String::from_utf8(write("addresses", &list)).unwrap(), written);
        assert_eq!(["addresses", "users", "usage"].map(one_of), ["address", "user", "entry"]);
    }
}

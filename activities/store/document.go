package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// document is a record as it is stored: its JSON, with the field "id" as "_id" and "at" as a date, so that the store's
// words are those of every other place where the record is shown. Whole numbers are 64-bit integers.
//
// A key that has a dot or begins with a dollar sign (nvidia.com/gpu, floe.dev/pool) would be a path or an operator to
// MongoDB and is refused by others, so such characters are percent-encoded: see escape. An array within an array, which
// FerretDB 1 does not hold, is an object with the one field "items".
func document(record any) (bson.D, error) {
	encoded, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	value, err := decode(decoder)
	if err != nil {
		return nil, err
	}
	doc, ok := value.(bson.D)
	if !ok {
		return nil, fmt.Errorf("a %T is no JSON object", record)
	}
	for i, field := range doc {
		switch text, _ := field.Value.(string); field.Key {
		case "id":
			doc[i].Key = "_id"
		case "at":
			if doc[i].Value, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return nil, fmt.Errorf("at: %w", err)
			}
		}
	}
	return doc, nil
}

// decode reads one value, its objects in the order that they were written in.
func decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return decodeArray(d)
		}
		return decodeObject(d)
	case json.Number:
		if n, err := token.Int64(); err == nil {
			return n, nil
		}
		return token.Float64()
	}
	return token, nil // string, bool or nil
}

func decodeArray(d *json.Decoder) (bson.A, error) {
	array := bson.A{}
	for d.More() {
		value, err := decode(d)
		if err != nil {
			return nil, err
		}
		if inner, ok := value.(bson.A); ok {
			value = bson.D{{Key: "items", Value: inner}}
		}
		array = append(array, value)
	}
	_, err := d.Token()
	return array, err
}

func decodeObject(d *json.Decoder) (bson.D, error) {
	object := bson.D{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		value, err := decode(d)
		if err != nil {
			return nil, err
		}
		object = append(object, bson.E{Key: escape(key), Value: value})
	}
	_, err := d.Token()
	return object, err
}

var escaper = strings.NewReplacer("%", "%25", ".", "%2E", "\x00", "%00")

// escape percent-encodes what a key of a document must not have; net/url.PathUnescape is its inverse.
func escape(key string) string {
	key = escaper.Replace(key)
	if rest, ok := strings.CutPrefix(key, "$"); ok {
		key = "%24" + rest
	}
	return key
}

package awsjson

import (
	"encoding/json"
	"net/http"

	"floe.dev/floe/internal/sim/query"
)

// Version is that of the protocol.
type Version string

// The versions.
const (
	V10 Version = "1.0"
	V11 Version = "1.1"
)

// Write answers with v. It writes nothing where v cannot be encoded.
func Write(w http.ResponseWriter, version Version, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-amz-json-"+string(version))
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// WriteError refuses. shape is the error's name in the service's model, with its namespace where the service sends one.
func WriteError(w http.ResponseWriter, version Version, shape string, e *query.Error) error {
	return Write(w, version, e.HTTPStatus(), map[string]string{"__type": shape, "message": e.Message})
}

package query

import (
	"bytes"
	"encoding/xml"
	"net/http"
)

// Answer is the part that all of EC2's answers have; result types embed it first.
type Answer struct {
	RequestID string `xml:"requestId"`
}

// Identify sets the request's id.
func (a *Answer) Identify(requestID string) { a.RequestID = requestID }

// Result is an answer of EC2's.
type Result interface{ Identify(requestID string) }

// Namespaces of the answers.
const (
	EC2Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"
	STSNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// Write answers with v in an element of that name and namespace. It writes nothing where v cannot be encoded.
func Write(w http.ResponseWriter, status int, namespace, element string, v any) error {
	start := xml.StartElement{Name: xml.Name{Local: element}}
	if namespace != "" {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}
	}
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := xml.NewEncoder(&body).EncodeElement(v, start); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}

type ec2Error struct {
	Code    string `xml:"Errors>Error>Code"`
	Message string `xml:"Errors>Error>Message"`
	// RequestID is spelled RequestID in EC2's errors, and requestId in its answers.
	RequestID string `xml:"RequestID"`
}

// WriteEC2Error refuses in the shape of EC2 (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
func WriteEC2Error(w http.ResponseWriter, requestID string, e *Error) error {
	return Write(w, e.HTTPStatus(), "", "Response", ec2Error{e.Code, e.Message, requestID})
}

type stsError struct {
	Type      string `xml:"Error>Type"`
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}

// WriteSTSError refuses in the shape of STS, which is that of most services with the query protocol.
func WriteSTSError(w http.ResponseWriter, requestID string, e *Error) error {
	return Write(w, e.HTTPStatus(), STSNamespace, "ErrorResponse", stsError{"Sender", e.Code, e.Message, requestID})
}

package query

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Credential is what a request's signature says of the caller.
type Credential struct {
	AccessKey, Date, Region, Service string
}

var (
	// credentialForm is <access key>/<yyyymmdd>/<region>/<service>/aws4_request.
	credentialForm = regexp.MustCompile(`^(\w{16,128})/([0-9]{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request$`)
	signatureForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	dateForm       = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)
)

const algorithm = "AWS4-HMAC-SHA256"

// CheckSignature checks a request's Signature Version 4 for form: header, credential scope, signed headers, date
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The signature itself is not
// verified: the simulator holds no secrets.
func CheckSignature(r *http.Request) (Credential, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Credential{}, &Error{
			Code: "MissingAuthenticationToken", Status: http.StatusForbidden,
			Message: "Request is missing Authentication Token",
		}
	}
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return Credential{}, Errorf("IncompleteSignature", "The Authorization header does not begin with %s", algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[name] == "" {
			return Credential{}, Errorf("IncompleteSignature", "Authorization header requires '%s' parameter", name)
		}
	}
	scope := credentialForm.FindStringSubmatch(parts["Credential"])
	if scope == nil {
		return Credential{}, authFailure("The credential scope is malformed")
	}
	c := Credential{AccessKey: scope[1], Date: scope[2], Region: scope[3], Service: scope[4]}
	if !signatureForm.MatchString(parts["Signature"]) {
		return c, authFailure("The signature is not 64 hexadecimal digits")
	}
	date := r.Header.Get("X-Amz-Date")
	if !dateForm.MatchString(date) {
		return c, Errorf("IncompleteSignature", "The X-Amz-Date header is missing or not in the form 20260731T120000Z")
	}
	if date[:8] != c.Date {
		return c, authFailure("The date of the credential scope is not that of X-Amz-Date")
	}
	signed := strings.Split(parts["SignedHeaders"], ";")
	for _, name := range []string{"host", "x-amz-date"} {
		if !slices.Contains(signed, name) {
			return c, authFailure("The header " + name + " must be signed")
		}
	}
	return c, nil
}

func authFailure(why string) *Error {
	return &Error{
		Code: "AuthFailure", Status: http.StatusUnauthorized,
		Message: "AWS was not able to validate the provided access credentials: " + why,
	}
}

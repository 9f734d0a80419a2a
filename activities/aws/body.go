package aws

import (
	"context"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// plainBody hides the method WriteTo of request bodies, which loses answers: once the head of an answer is there, the
// SDK closes the request's body, and a WriteTo on its closed body returns io.EOF. net/http, which has sent the body by
// then and only looks whether there is more, takes that for a failed write, and closes the connection under the answer:
// "use of closed network connection". Read on a closed body ends the copy as it should. The SDK hides this by retrying
// (github.com/aws/aws-sdk-go-v2/issues/1825 and 2737); here a lost answer costs a look-up of a minute.
func plainBody(stack *middleware.Stack) error {
	hide := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if request, ok := in.Request.(*smithyhttp.Request); ok {
			if body, ok := request.GetStream().(io.ReadSeeker); ok {
				plain, err := request.SetStream(struct{ io.ReadSeeker }{body})
				if err != nil {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, err
				}
				in.Request = plain
			}
		}
		return next.HandleFinalize(ctx, in)
	}
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("FloePlainBody", hide), middleware.Before)
}

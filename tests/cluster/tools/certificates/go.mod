module foretide.dev/tests/cluster/tools/certificates

go 1.26.0

// Certificates of a test cluster: `certificates FOLDER < requests.json`.
//
// Python's standard library signs none, and Go is there wherever the cluster is. An authority or key that stands in the
// folder already is used again, so that certificates may be asked for as long as the cluster lives.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Request is one certificate: for clients its name and groups are the user, for servers its hosts count.
type Request struct {
	File      string   `json:"file"`
	Authority string   `json:"authority"`
	Name      string   `json:"name"`
	Groups    []string `json:"groups"`
	Hosts     []string `json:"hosts"`
}

func main() {
	folder := os.Args[1]
	var requests []Request
	must(json.NewDecoder(os.Stdin).Decode(&requests))
	for _, one := range requests {
		authority, signer := authority(filepath.Join(folder, one.Authority), one.Authority)
		sign(filepath.Join(folder, one.File), leaf(one), authority, signer)
	}
}

func authority(path string, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	signer := key(path + ".key")
	if _, err := os.Stat(path + ".crt"); err != nil {
		template := certificate(name)
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
		sign(path, template, template, signer)
	}
	content, err := os.ReadFile(path + ".crt")
	must(err)
	block, _ := pem.Decode(content)
	found, err := x509.ParseCertificate(block.Bytes)
	must(err)
	return found, signer
}

func leaf(of Request) *x509.Certificate {
	template := certificate(of.Name)
	template.Subject.Organization = of.Groups
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, host := range of.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

func certificate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
	}
}

func sign(path string, template *x509.Certificate, parent *x509.Certificate, signer *ecdsa.PrivateKey) {
	public := &key(path + ".key").PublicKey
	content, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	must(err)
	write(path+".crt", "CERTIFICATE", content)
}

func key(path string) *ecdsa.PrivateKey {
	content, err := os.ReadFile(path)
	if err != nil {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		bytes, err := x509.MarshalPKCS8PrivateKey(made)
		must(err)
		write(path, "PRIVATE KEY", bytes)
		return made
	}
	block, _ := pem.Decode(content)
	found, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(err)
	return found.(*ecdsa.PrivateKey)
}

func write(path string, kind string, content []byte) {
	must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
